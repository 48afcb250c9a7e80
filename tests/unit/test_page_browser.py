"""The page that a study ends with, made of made-up tables and opened in a browser that has no network."""

import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait
from test_page_views import made

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Debian's chromium and chromium-driver")
MOST_BYTES = 4 * 2**20


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "answer.html"
    path.write_text(made(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(page: Path, tmp_path_factory: pytest.TempPathFactory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    folder = tmp_path_factory.mktemp("browser")
    quiet = ["no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"]
    for option in ["headless=new", "no-sandbox", "disable-gpu", *quiet, "proxy-server=127.0.0.1:9"]:
        options.add_argument(f"--{option}")
    options.add_argument(f"--user-data-dir={folder}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get(page.as_uri())
    WebDriverWait(driver, 60).until(lambda here: here.find_elements(By.CSS_SELECTOR, ".chart svg"))
    yield driver
    driver.quit()


def test_the_page_is_one_file_and_small_enough_to_send(page):
    assert page.stat().st_size <= MOST_BYTES


def test_every_chart_is_drawn_as_it_stands(browser):
    for chart in browser.find_elements(By.CSS_SELECTOR, ".chart"):
        marks = chart.find_elements(By.CSS_SELECTOR, "svg .mark-symbol path, svg .mark-line path")
        assert marks, chart.get_attribute("id")
        assert chart.get_attribute("aria-label")


def test_each_menu_changes_its_chart(browser):
    menus = browser.find_elements(By.CSS_SELECTOR, ".vega-bindings select")
    assert menus
    for menu in menus:
        chart = menu.find_element(By.XPATH, "ancestor::div[contains(@class, 'chart')]")
        choices = Select(menu)
        if len(choices.options) < 2:
            continue
        before = chart.find_element(By.TAG_NAME, "svg").get_attribute("outerHTML")
        chosen = choices.first_selected_option.text
        choices.select_by_visible_text(next(own.text for own in choices.options if own.text != chosen))
        WebDriverWait(browser, 60).until(
            lambda _, svg=chart, old=before: svg.find_element(By.TAG_NAME, "svg").get_attribute("outerHTML") != old,
            f"{chart.get_attribute('id')}: {menu.get_attribute('name')}",
        )


def test_claims_can_be_filtered_and_lead_to_their_figures(browser):
    rows = browser.find_elements(By.CSS_SELECTOR, "#claim-table tbody tr")
    assert rows
    verdict = rows[0].get_attribute("data-verdict")
    Select(browser.find_element(By.ID, "by-verdict")).select_by_visible_text(verdict)
    shown = [row for row in rows if row.is_displayed()]
    assert shown == [row for row in rows if row.get_attribute("data-verdict") == verdict]
    assert browser.find_element(By.ID, "shown").text == f"{len(shown)} of {len(rows)} claims"
    browser.find_element(By.ID, "by-text").send_keys("no claim has these words")
    assert not any(row.is_displayed() for row in rows)
    for link in browser.find_elements(By.CSS_SELECTOR, "a[href^='#']"):
        assert browser.find_elements(By.ID, link.get_attribute("href").partition("#")[2])


def test_pictures_have_words_and_nothing_is_asked_of_a_network(browser, page):
    for picture in browser.find_elements(By.TAG_NAME, "img"):
        assert picture.get_attribute("alt")
        assert picture.get_attribute("src").startswith("data:image/")
    asked = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [address for address in asked if not address.startswith("data:")] == []


def test_a_telephone_needs_no_scrolling_sideways(browser):
    browser.set_window_size(500, 900)
    width, room = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= room
    for chart in browser.find_elements(By.CSS_SELECTOR, ".chart"):  # Nor is any drawing cut.
        width, room = browser.execute_script("return [arguments[0].scrollWidth, arguments[0].clientWidth]", chart)
        assert width <= room, chart.get_attribute("id")


def test_nothing_goes_wrong_in_the_console(browser):
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
