"""The site as files: whole, small, self-contained, the same for the same evidence, and safe from hostile names."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import html5lib
import jsonschema
import pytest
from support.made_up import METHODS, made_up_store

from harness.core.errors import DataError, UsageError
from harness.leaderboard_site.build import build
from harness.leaderboard_site.content import Content
from harness.results.store import RunStore

XHTML = "{http://www.w3.org/1999/xhtml}"


def pages(site) -> dict[str, str]:
    found = {path.relative_to(site.folder).as_posix(): path.read_text() for path in site.folder.rglob("*.html")}
    assert len(found) == 1 + 2 + 4
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_page_is_valid_html(site) -> None:
    for name, text in pages(site).items():
        parser = html5lib.HTMLParser(strict=False)
        parser.parse(text)
        assert not parser.errors, (name, parser.errors[:3])


def test_nothing_is_asked_of_another_host_and_every_link_leads_somewhere(site) -> None:
    there = set(files(site.folder))
    for name, text in pages(site).items():
        tree = html5lib.parse(text)
        links = [e.get(a) for e in tree.iter() for a in ("href", "src", "action", "data", "poster") if e.get(a)]
        for link in links:
            if link.startswith("#"):
                assert any(e.get("id") == link[1:] for e in tree.iter())
            elif link != "data:,":
                assert not re.match(r"[a-z]+:|//", link), (name, link)
                target = (site.folder / name).parent / link
                assert target.resolve().relative_to(site.folder.resolve()).as_posix() in there, (name, link)
    for name in ("site.css", "site.js"):
        text = (site.folder / name).read_text()
        assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch\(|XMLHttp", text)


def test_hostile_names_are_text(site) -> None:
    for name, text in pages(site).items():
        tree = html5lib.parse(text)
        assert not list(tree.iter(f"{XHTML}img")), name
        assert [e.get("src") for e in tree.iter(f"{XHTML}script")] == [("" if "/" not in name else "../") + "site.js"]
        assert not [a for e in tree.iter() for a in e.attrib if str(a).startswith("on")], name
    board = (site.folder / "boards" / "colon-nuclei-cv5.html").read_text()
    assert "&lt;script&gt;alert(&#34;1&#34;)" in board


def test_the_same_evidence_gives_the_same_bytes_and_what_is_left_goes(site, made_up, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    (folder / "studies").mkdir(parents=True)
    (folder / "leaderboard.json").write_text("{}")
    (folder / "studies" / "left.html").write_text("of an earlier site")
    again = build([made_up], folder, title="A board & more")
    assert files(again.folder) == files(site.folder)


def test_the_data_fits_its_schema_and_is_what_the_pages_show(site) -> None:
    data = json.loads((site.folder / "leaderboard.json").read_text())
    schema = json.loads((site.folder / "schema.json").read_text())
    jsonschema.validate(data, schema)
    Content.model_validate_json((site.folder / "leaderboard.json").read_bytes())
    assert all("description" in one or "$ref" in one for one in schema["properties"].values())
    for board in data["boards"]:
        page = (site.folder / "boards" / f"{board['name']}.html").read_text()
        for entry in board["entries"]:
            assert f"{entry['scores'][0][1]:.3f}" in page and entry["page"] in page


def test_tables_can_be_read_by_ear(site) -> None:
    for name, text in pages(site).items():
        tree = html5lib.parse(text)
        (html,) = [tree] if tree.tag == f"{XHTML}html" else list(tree.iter(f"{XHTML}html"))
        assert html.get("lang") == "en" and len(list(tree.iter(f"{XHTML}h1"))) == 1
        assert len({e.get("id") for e in tree.iter() if e.get("id")}) == sum(bool(e.get("id")) for e in tree.iter())
        for table in tree.iter(f"{XHTML}table"):
            assert table.find(f"{XHTML}caption") is not None, name
            assert all(head.get("scope") in {"col", "row"} for head in table.iter(f"{XHTML}th")), name
            widths = {
                sum(1 for cell in row if cell.tag in (f"{XHTML}td", f"{XHTML}th")) for row in table.iter(f"{XHTML}tr")
            }
            assert len(widths) == 1, name
        for figure in tree.iter("{http://www.w3.org/2000/svg}svg"):
            assert figure.get("role") == "img" and len(figure.get("aria-label", "").split(". ")) > 1, name
        for field in (*tree.iter(f"{XHTML}input"), *tree.iter(f"{XHTML}select")):
            assert any(field in list(label.iter()) for label in tree.iter(f"{XHTML}label")), name


def test_figures_leave_their_colours_to_the_style_sheet(site) -> None:
    styled = (site.folder / "site.css").read_text()
    for text in pages(site).values():
        for figure in html5lib.parse(text).iter("{http://www.w3.org/2000/svg}svg"):
            for element in figure.iter():
                assert not {"style", "fill", "stroke"} & set(element.keys())
                assert all(f".{name}" in styled for name in element.get("class", "").split())


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_aa(site, scheme: str) -> None:
    roots = re.findall(r":root \{(.*?)\}", (site.folder / "site.css").read_text(), re.DOTALL)
    block = roots[0] if scheme == "light" else roots[1]
    colours = {
        name: one if len(one) == 7 else f"#{one[1] * 2}{one[2] * 2}{one[3] * 2}"
        for name, one in re.findall(r"--([\w-]+): (#\w+)", block)
    }
    pairs = [(ink, paper) for ink in ("ink", "muted", "main") for paper in ("paper", "raised")]
    pairs += [
        ("good", "good-bg"),
        ("warn", "warn-bg"),
        ("bad", "bad-bg"),
        ("ink", "plain-bg"),
        ("ink", "soft"),
        ("warn", "paper"),
    ]
    for ink, paper in pairs:
        light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def test_a_site_of_few_methods_is_small(site) -> None:
    assert site.size == sum(map(len, files(site.folder).values())) < 250_000
    assert max(len(text) for name, text in pages(site).items() if name.startswith("studies/")) < 16_000


def test_a_site_of_fifty_methods_is_below_half_a_megabyte(tmp_path: Path) -> None:
    methods = [f"{name}_{k}" for k in range(4) for name in METHODS][:50]
    store = made_up_store(tmp_path / "runs", methods=methods, datasets=("camelyon16-mini",))
    found = build([store], tmp_path / "site", title="Fifty methods")
    assert len(found.content.boards[0].entries) == 50
    assert found.size == sum(map(len, files(found.folder).values())) < 500_000


def test_a_folder_of_something_else_and_an_empty_runs_folder_are_refused(made_up, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="no site"):
        build([made_up], tmp_path, title="x")
    with pytest.raises(DataError, match="no finished unit"):
        build([RunStore(tmp_path / "none")], tmp_path / "site", title="x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]


def test_what_is_incomplete_or_altered_says_so_and_has_no_rank(tmp_path: Path) -> None:
    store = made_up_store(tmp_path / "runs", methods=("abmil", "dsmil", "max_pool"), datasets=("colon-nuclei",))
    studies = {study.method: study for study in store.studies()}
    shutil.rmtree(store.unit_folder(studies["dsmil"].records[0].unit_id))
    changed = store.unit_folder(studies["max_pool"].records[0].unit_id) / "record.json"
    changed.write_text(changed.read_text().replace('"value": 0.', '"value": 0.0', 1))
    (board,) = build([store], tmp_path / "site", title="x").content.boards
    texts = {entry.method: [badge.text for badge in entry.badges] for entry in board.entries}
    assert texts["abmil"] == ["verified"] and texts["max_pool"] == ["unverified"]
    assert "incomplete 4/5 folds" in texts["dsmil"]
    assert [(entry.method, entry.rank) for entry in board.entries if entry.rank] == [("abmil", 1)]
    page = (tmp_path / "site" / next(one.page for one in board.entries if one.method == "max_pool")).read_text()
    assert "a score is not that" in page or "is not that of the predictions" in page


def test_published_numbers_stand_beside_ours_with_the_difference(tmp_path: Path) -> None:
    methods = ("gated_abmil", "max_pool")
    store = made_up_store(tmp_path / "runs", methods=methods, datasets=("colon-nuclei",))
    (board,) = build([store], tmp_path / "site", title="x").content.boards
    ours = {entry.method: {score.metric: score.value for score in entry.scores} for entry in board.entries}
    found = {(one.method, one.metric): one for one in board.published}
    for there, here in (("gated attention", "gated_abmil"), ("embedding + max", "max_pool")):
        for metric in ("auc", "accuracy"):
            one = found[there, metric]
            assert one.ours == ours[here][metric] and here in one.our_page
            assert "There: re-run of Ilse" in one.difference and "Here: protocol cv5, 5 folds" in one.difference
    missing = found["embedding + mean", "auc"]
    assert missing.ours is None and "No study of mean_pool is on this board" in missing.difference


def test_studies_of_two_folders_are_ranked_together(tmp_path: Path) -> None:
    place = {"datasets": ("camelyon16-mini",)}
    first = made_up_store(tmp_path / "a", methods=("abmil",), **place)
    second = made_up_store(tmp_path / "b", methods=("abmil", "dsmil"), **place)
    (board,) = build([first, second], tmp_path / "site", title="x").content.boards
    assert sorted((entry.method, entry.place) for entry in board.entries) in (
        [("abmil", 1), ("dsmil", 2)],
        [("abmil", 2), ("dsmil", 1)],
    )
    assert all(entry.ties and entry.rank_low for entry in board.entries)
