"""The site in a browser: sorting, filtering, the keyboard, phones, dark mode, and no request that leaves."""

from __future__ import annotations

import re

import pytest
from axe_core_python.selenium import Axe
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

BOARD = "boards/colon-nuclei-cv5.html"


def methods(driver) -> list[str]:
    """Methods of the visible rows, from top to bottom."""
    rows = driver.find_elements(By.CSS_SELECTOR, "#board tbody tr")
    return [row.find_element(By.CSS_SELECTOR, "th a").text for row in rows if row.is_displayed()]


def column(driver, title: str):
    heads = driver.find_elements(By.CSS_SELECTOR, "#board thead th")
    return next(head for head in heads if head.text.strip(" ↑↓") == title)


def values(driver, title: str) -> list[float]:
    heads = [head.text.strip(" ↑↓") for head in driver.find_elements(By.CSS_SELECTOR, "#board thead th")]
    cells = driver.find_elements(By.CSS_SELECTOR, f"#board tbody tr > :nth-child({heads.index(title) + 1})")
    return [float(cell.get_attribute("data-v")) for cell in cells]


def test_no_page_complains_or_asks_for_anything_but_its_own_files(browser, pages) -> None:
    own = browser.site.folder.as_uri()
    for page in pages:
        browser.open(page)
        asked = browser.requests()
        assert asked and all(url.startswith(own) or url == "data:," for url in asked), asked
        assert browser.complaints() == []


def test_a_click_sorts_and_a_second_one_turns_the_order(browser) -> None:
    driver = browser.open(BOARD)
    first = values(driver, "CPU-hours")
    head = column(driver, "CPU-hours")
    head.find_element(By.TAG_NAME, "button").click()
    assert values(driver, "CPU-hours") == sorted(first) and head.get_attribute("aria-sort") == "ascending"
    head.find_element(By.TAG_NAME, "button").click()
    assert values(driver, "CPU-hours") == sorted(first, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    assert len(driver.find_elements(By.CSS_SELECTOR, "#board th[aria-sort]")) == 1
    column(driver, "Method").find_element(By.TAG_NAME, "button").click()
    assert methods(driver) == sorted(methods(driver))


def test_the_filter_narrows_by_text_and_by_labels_and_says_so(browser) -> None:
    driver = browser.open(BOARD)
    every = methods(driver)
    field = driver.find_element(By.NAME, "text")
    field.send_keys("pool")
    assert sorted(methods(driver)) == ["max_pool", "mean_pool"]
    assert driver.find_element(By.TAG_NAME, "output").text == "2 of 5"
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    assert methods(driver) == every
    driver.find_element(By.NAME, "labels").send_keys("slides + reports")
    assert methods(driver) == ["dre_slcl"]


def test_a_study_opens_from_the_board_and_leads_back(browser) -> None:
    driver = browser.open("index.html")
    driver.find_element(By.CSS_SELECTOR, ".card h2 a").click()
    name = methods(driver)[0]
    driver.find_element(By.CSS_SELECTOR, "#board tbody th a").click()
    assert driver.find_element(By.TAG_NAME, "h1").text == name
    figures = driver.find_elements(By.CSS_SELECTOR, "svg.figure")
    assert len(figures) == 2 and all(figure.size["height"] > 100 for figure in figures)
    driver.find_element(By.CSS_SELECTOR, ".crumb a").click()
    assert methods(driver)[0] == name


def test_the_keyboard_alone_reaches_and_sorts_and_the_focus_can_be_seen(browser) -> None:
    driver = browser.open(BOARD)
    body = driver.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert driver.switch_to.active_element.text == "Skip to the content"
    for _ in range(40):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        active = driver.switch_to.active_element
        if active.tag_name == "button" and active.text == "Method":
            break
    outline = driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert active.text == "Method" and outline == "solid"
    active.send_keys(Keys.ENTER)
    assert methods(driver) == sorted(methods(driver))
    driver.switch_to.active_element.send_keys(Keys.SPACE)
    assert methods(driver) == sorted(methods(driver), reverse=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_preference(browser, scheme: str) -> None:
    browser.prefer(scheme)
    driver = browser.open(BOARD)
    script = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    paper, ink = (sum(map(int, text[4:-1].split(","))) for text in driver.execute_script(script))
    assert (paper > ink) == (scheme == "light")
    stroke = driver.execute_script("return getComputedStyle(document.querySelector('.figure .s-main')).stroke")
    assert stroke == ("rgb(36, 88, 138)" if scheme == "light" else "rgb(139, 187, 232)")


def test_on_a_phone_nothing_is_wider_than_the_screen_and_cells_have_their_headings(browser, pages) -> None:
    browser.resize(390)
    for page in (*pages[:4], "index.html"):
        driver = browser.open(page)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390, page
    driver = browser.open(BOARD)
    cell = driver.find_element(By.CSS_SELECTOR, "#board tbody td.score")
    script = "return getComputedStyle(arguments[0], '::before').content"
    assert "AUC" in driver.execute_script(script, cell)
    column(driver, "Method").find_element(By.TAG_NAME, "button").click()
    assert methods(driver) == sorted(methods(driver))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_rule_of_accessibility_is_broken(browser, pages, width: int, scheme: str) -> None:
    browser.resize(width)
    browser.prefer(scheme)
    for page in ("index.html", BOARD, next(page for page in pages if page.startswith("studies/"))):
        # This axe cannot read the colours that color-mix() makes; tests/leaderboard_site has the darkest of them.
        found = Axe().run(browser.open(page), context={"exclude": [[".confusion td"]]})
        told = [(one["id"], one["help"], one["nodes"][0]["html"][:200]) for one in found["violations"]]
        assert told == [], page
        assert {"color-contrast", "heading-order", "document-title", "region"} <= {one["id"] for one in found["passes"]}


def luminance(colour: str) -> float:
    parts = [int(one) / 255 for one in re.findall(r"\d+", colour)[:3]]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_of_figures_have_contrast_too(browser, scheme: str) -> None:
    browser.prefer(scheme)
    driver = browser.open(BOARD)
    script = "return [...document.querySelectorAll('.figure text')].map((one) => getComputedStyle(one).fill)"
    paper = luminance(driver.execute_script("return getComputedStyle(document.body).backgroundColor"))
    inks = set(driver.execute_script(script))
    assert inks
    for ink in inks:
        dark, light = sorted((luminance(ink), paper))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, ink


def test_a_point_of_a_figure_opens_its_study_also_after_sorting(browser) -> None:
    driver = browser.open(BOARD)
    column(driver, "Method").find_element(By.TAG_NAME, "button").click()
    point = driver.find_element(By.CSS_SELECTOR, ".figure [data-row]")
    name = driver.execute_script("return arguments[0].querySelector('title').textContent", point).partition(":")[0]
    driver.execute_script(
        "arguments[0].querySelector('circle').dispatchEvent(new MouseEvent('click', {bubbles: true}))", point
    )
    assert driver.find_element(By.TAG_NAME, "h1").text == name


def test_what_can_be_reached_by_keyboard_shows_it(browser) -> None:
    """Every stop of the tab key on a board has an outline, and there are few: a figure holds no hundred links."""
    driver = browser.open(BOARD)
    driver.find_element(By.TAG_NAME, "body").click()
    stops = []
    for _ in range(80):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        active = driver.switch_to.active_element
        script = "const s = getComputedStyle(arguments[0]); return [s.outlineStyle, s.outlineWidth]"
        tag, (style, size) = active.tag_name.upper(), driver.execute_script(script, active)
        if tag == "BODY":
            break
        stops.append(tag)
        assert style in ("solid", "auto") and size != "0px", tag
    assert 10 < len(stops) < 60


def test_without_javascript_everything_can_be_read(browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver = browser.open(BOARD)
        assert len(methods(driver)) == 5 and not driver.find_elements(By.CSS_SELECTOR, "th button")
        assert not driver.find_element(By.CSS_SELECTOR, "form.controls").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
