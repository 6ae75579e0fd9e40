"""Tile encoders: timm backbones by name, small convolutional ones, truncated ResNets."""
