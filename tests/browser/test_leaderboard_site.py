"""The site in a browser: sorting, filtering, the keyboard, phones, dark mode, and no request that leaves."""

from __future__ import annotations

import pytest
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


def test_without_javascript_everything_can_be_read(browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver = browser.open(BOARD)
        assert len(methods(driver)) == 5 and not driver.find_elements(By.CSS_SELECTOR, "th button")
        assert not driver.find_element(By.CSS_SELECTOR, "form.controls").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
