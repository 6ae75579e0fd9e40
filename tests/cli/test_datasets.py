from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from harness.cli.datasets import app
from harness.core import console
from harness.core.errors import BenchError


@pytest.fixture
def bench(monkeypatch, capsys):
    """Runs ``bench datasets ...``; gives exit code and output. Errors of ours come through as they are."""
    monkeypatch.delenv("BENCH_DATASETS", raising=False)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setattr(console.out, "_width", 250)

    def run(*words: str) -> tuple[int, str]:
        command = typer.main.get_command(app)
        code = command.main(args=list(words), prog_name="bench datasets", standalone_mode=False)
        return (code if isinstance(code, int) else 0), capsys.readouterr().out

    return run


def test_list(bench) -> None:
    code, text = bench("list")
    assert code == 0
    line = next(line for line in text.splitlines() if "musk1" in line)
    assert all(word in line for word in ("92", "non-musk, musk", "CC BY 4.0", "ready"))
    assert "needs --data-root" in next(line for line in text.splitlines() if "colon-nuclei" in line)


def test_broken_datasets_are_listed_with_their_reason(bench, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "card.yaml").write_text("name: odd\n", encoding="utf-8")
    monkeypatch.setenv("BENCH_DATASETS", str(tmp_path))
    code, text = bench("list")
    assert code == 0
    assert "Broken" in text
    assert "lacks the field 'title'" in text
    assert "musk2" in text


def test_show(bench) -> None:
    code, text = bench("show", "colon-nuclei")
    assert code == 0
    for word in ("98 slides", "51 cancerous", "20,280 tiles", "Research use only", "patch_images", "cv5 (default)"):
        assert word in text
    assert "Known errata" in text


def test_show_of_an_unknown_dataset(bench) -> None:
    with pytest.raises(BenchError, match="unknown dataset 'musk'") as error:
        bench("show", "musk")
    assert error.value.exit_code == 2


def test_verify(bench) -> None:
    assert bench("verify", "musk1")[0] == 0
    code, text = bench("verify", "colon-nuclei")
    assert code == 2
    assert "no data root is given" in text


def test_verify_real_patches(bench, shared: Path) -> None:
    code, text = bench("verify", "colon-nuclei", "--data-root", str(shared / "datasets/real/colon-nuclei"))
    assert code == 0
    assert "as its card says" in text


def test_new_with_real_slides_then_verify_and_open_them(bench, shared: Path, tmp_path: Path) -> None:
    wsi = shared / "datasets/real/wsi"
    names = ["CMU-1-Small-Region", "TCGA-CR-7395-01A-01-TS1", "dicom_cmu-1-small-region", "pathml_small_HE_levels"]
    slides = tmp_path / "slides"
    slides.mkdir()
    rows = ["slide,patient,label"]
    for copy in range(3):
        for k, name in enumerate(names[:2]):
            (slides / f"{name}-{copy}.svs").symlink_to(wsi / f"{name}.svs")
            rows.append(f"{name}-{copy},p{copy}{k},{'ab'[k]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    code, text = bench(
        "new", "mine", "--slides", str(slides), "--labels", str(tmp_path / "labels.csv"), "--folds", "3",
        "--into", str(tmp_path / "made"),
    )  # fmt: skip
    assert code == 0
    assert "6 slides" in text
    assert f"bench run --method abmil --dataset {tmp_path / 'made' / 'mine'}" in text
    assert bench("verify", str(tmp_path / "made/mine"))[0] == 0
    code, text = bench("verify", str(tmp_path / "made/mine"), "--open")
    assert code == 2
    assert text.count("unreadable") == 3, "the frozen section does not say its resolution"
    same = "their thumbnails differ in 0 of 255 bits; on two sides in cv"
    assert text.count(same) == 3, "the other slide is there three times, and its copies are called patients"


def test_new_says_what_is_wrong(bench, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("slides,patient,label\na,p,x\n", encoding="utf-8")
    with pytest.raises(BenchError, match="no column 'slide'") as error:
        bench("new", "mine", "--slides", str(tmp_path), "--labels", str(tmp_path / "labels.csv"))
    assert "'slides' for 'slide'" in error.value.fix


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys, typer; from harness.cli.datasets import app; "
        "typer.main.get_command(app).main(['list'], standalone_mode=False); "
        "typer.main.get_command(app).main(['verify', 'musk1'], standalone_mode=False); "
        "print(sorted({'torch', 'pandas', 'mlflow', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_misspelt_drawing_is_answered_with_the_right_one(bench, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="unknown drawing 'camelyon16-relase'") as error:
        bench("draw", "camelyon16-relase", str(tmp_path / "x"))
    assert "camelyon16-release" in error.value.fix
    assert not (tmp_path / "x").exists()


def test_a_drawing_is_what_the_card_says(bench, tmp_path: Path, monkeypatch) -> None:
    """With the settings of the card, into the folder in which a run looks for it."""
    from harness import synthetic
    from harness.datasets.catalog import find_dataset

    drawn: list[tuple[str, dict, Path]] = []
    monkeypatch.setattr(synthetic, "draw", lambda name, settings, root, workers: drawn.append((name, settings, root)))
    card = find_dataset("camelyon16-mini").card.source.draw
    bench("draw", "camelyon16-mini", "--cache", str(tmp_path))
    bench("draw", "camelyon16-mini", str(tmp_path / "here"), "--side-px", "512")
    (name, settings, root), (_, smaller, here) = drawn
    assert (name, settings) == ("camelyon16-mini", card)
    assert root == tmp_path / "drawn" / synthetic.folder_name(name, card)
    assert smaller == {**card, "side_px": 512} and here == tmp_path / "here"
