"""Attention as GeoJSON: polygons in pixels of level 0, the same file for the same weights."""

from __future__ import annotations

import json

import numpy as np

from harness.results.geojson import heatmap_geojson

COORDS, WEIGHTS = np.array([[0, 0], [512, 0], [512, 1024]]), np.array([0.7, 0.2, 0.1], np.float32)
TISSUE = [[[[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 0.0]], [[2.0, 2.0], [3.0, 2.0], [3.0, 3.0], [2.0, 2.0]]]]


def test_tiles_and_tissue_are_closed_polygons_with_measurements():
    text = heatmap_geojson("a", COORDS, 512.0, WEIGHTS, TISSUE)
    tissue, *tiles = json.loads(text)["features"]
    assert tissue["geometry"]["coordinates"] == TISSUE[0]
    assert [one["geometry"]["coordinates"][0][2] for one in tiles] == [[512, 512], [1024, 512], [1024, 1536]]
    assert all(one["geometry"]["coordinates"][0][0] == one["geometry"]["coordinates"][0][4] for one in tiles)
    measured = [one["properties"]["measurements"] for one in tiles]
    assert np.allclose([one["attention"] for one in measured], WEIGHTS)
    assert np.allclose([one["attention times even share"] for one in measured], 3 * WEIGHTS)
    strength = [one["attention strength"] for one in measured]
    assert strength == sorted(strength, reverse=True) and strength[0] == 1
    assert all(len(one["properties"]["color"]) == 3 for one in tiles)


def test_ids_are_unique_and_the_same_every_time():
    text = heatmap_geojson("a", COORDS, 512.0, WEIGHTS, TISSUE)
    assert text == heatmap_geojson("a", COORDS, 512.0, WEIGHTS, TISSUE)
    ids = [one["id"] for one in json.loads(text)["features"]]
    assert len(set(ids)) == 4
    assert not set(ids) & {one["id"] for one in json.loads(heatmap_geojson("b", COORDS, 512.0, WEIGHTS))["features"]}
