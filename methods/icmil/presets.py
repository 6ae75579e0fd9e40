"""Presets of ICMIL: as published, and two for CPUs."""

from __future__ import annotations

from harness import Preset

REPOSITORY = "Dootmaan/ICMIL"

PRESETS = {
    "published": Preset(
        help=(
            "published code (branch main): attention MIL on ResNet-50 cut behind layer3 with ImageNet weights V2, "
            "tiles of 256 pixels at 20x without normalisation, one round. The number of distillation steps is ours"
        ),
        params={"bag_model": "abmil", "iterations": 1, "normalise": "none", "distil_steps": 30_000},
        input={"kind": "tiles", "encoder": "resnet50.tv2_in1k@layer3", "mpp": (0.5,), "tile_px": 256},
        repository=REPOSITORY,
        commit="c2fd2faa4e85cf85527e228573b434a8cc461cba",
        file="step2_teacher_student_abmil_distillation.py",
    ),
    "journal": Preset(
        help=(
            "published code (branch confidence_based): as published, with confidence weighting, pseudo-bag mix-up of "
            "the bag models and the student's learning-rate step. Ours are the number of distillation steps and that a "
            "retrained bag model chooses the student (the code: agreement with the teacher)"
        ),
        params={
            "bag_model": "abmil",
            "iterations": 1,
            "normalise": "none",
            "distil_steps": 30_000,
            "confidence": True,
            "bag_mixup": True,
            "distil_decay": 0.2,
            "distil_select": "bag_model",
        },
        input={"kind": "tiles", "encoder": "resnet50.tv2_in1k@layer3", "mpp": (0.5,), "tile_px": 256},
        repository=REPOSITORY,
        commit="89f78c6b20470cd3176a2499c97292f97aa87b2b",
        file="step2_train_teacherstudent_abmil_ax_semilearn.py",
    ),
    "colon": Preset(
        help=(
            "colon-nuclei on a CPU (ours): there are no pretrained weights for its 27-pixel patches, so the first "
            "embedder is trained end to end for a few epochs; then one round with a short distillation"
        ),
        params={
            "warm_epochs": 6,
            "epochs": 20,
            "distil_steps": 600,
            "distil_checks": 3,
            "distil_lr": 1e-4,
            "distil_select": "last",
        },
        input={"kind": "tiles", "encoder": "conv27", "tile_px": 27},
    ),
    "mini": Preset(
        help=(
            "camelyon16-mini on two CPU cores (ours): a small encoder on 64-pixel tiles, trained end to end for a few "
            "epochs in place of pretrained weights; then one round with a short distillation"
        ),
        params={
            "warm_epochs": 10,
            "warm_lr": 5e-4,
            "warm_weight_decay": 1e-4,
            "warm_batch": 4,
            "warm_tiles": 96,
            "epochs": 20,
            "distil_steps": 600,
            "distil_checks": 3,
            "distil_lr": 1e-4,
            "distil_select": "last",
        },
        input={"kind": "tiles", "encoder": "conv64", "mpp": (0.5,), "tile_px": 64},
    ),
}

SMOKE = Preset(
    help="seconds on a CPU",
    params={
        "lr": 1e-3,
        "epochs": 2,
        "width": 16,
        "hidden": 8,
        "distil_steps": 4,
        "distil_checks": 2,
        "distil_batch": 16,
        "distil_lr": 1e-4,
    },
    input={"kind": "tiles", "encoder": "conv27", "tile_px": 27},
)
