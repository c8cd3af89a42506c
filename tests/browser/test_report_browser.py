"""The report, opened in a real browser."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.keys import Keys

from harness.report import gather, render

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
DESKTOP = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
OVERFLOWING = """
return [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre, dialog'))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className)
"""


@pytest.fixture(scope="module")
def page(simulated_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(gather(simulated_run), "tested"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chrome(programs):
    options = ChromeOptions()
    options.binary_location = programs["browser"]
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=ChromeService(programs["driver"]))
    yield driver
    driver.quit()


@pytest.fixture
def opened(chrome, page):
    """Opens the page on a screen, light or dark; the driver."""

    def show(screen=DESKTOP, scheme="light"):
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        scheme = {"name": "prefers-color-scheme", "value": scheme}
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        chrome.get_log("browser"), chrome.get_log("performance")
        chrome.get(page.as_uri())
        return chrome

    return show


def figures(chrome):
    return chrome.find_elements("css selector", "figure .canvas svg")


def pixels(element):
    return np.asarray(Image.open(BytesIO(element.screenshot_as_png)).convert("L"), dtype=float)


def test_the_page_opens_without_a_word_in_the_console(opened):
    assert opened().get_log("browser") == []


def test_the_page_asks_the_network_for_nothing(opened, page):
    messages = [json.loads(entry["message"])["message"] for entry in opened().get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}


def test_every_system_has_its_figures_beside_those_of_all(opened):
    assert len(figures(opened())) == 3 + 2 * 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_figure_is_blank(opened, scheme):
    spread = {figure.get_attribute("aria-label"): pixels(figure).std() for figure in figures(opened(scheme=scheme))}
    assert {name: value for name, value in spread.items() if value < 5.0} == {}


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_page_never_scrolls_sideways(opened, screen):
    width = opened(screen).execute_script("return document.documentElement.scrollWidth")
    assert width <= screen["width"]


def test_on_a_phone_nothing_stands_out_of_the_page(opened):
    assert opened(PHONE).execute_script(OVERFLOWING) == []


def test_a_figure_is_enlarged_by_keyboard_and_goes_back_with_escape(opened):
    chrome = opened()
    count = len(figures(chrome))
    chrome.find_element("css selector", "button.enlarge").send_keys(Keys.ENTER)
    enlarged = len(chrome.find_elements("css selector", "dialog[open] svg"))
    chrome.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert (enlarged, len(figures(chrome))) == (1, count)


def test_an_enlarged_figure_is_wider_than_on_the_page(opened):
    chrome = opened()
    before = figures(chrome)[0].rect["width"]
    chrome.find_element("css selector", "button.enlarge").click()
    assert chrome.find_element("css selector", "dialog[open] svg").rect["width"] > before


def test_text_stands_out_from_the_paper_in_the_dark(opened):
    chrome = opened(scheme="dark")
    colours = chrome.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
    ink, paper = (np.mean([float(part) for part in c[c.index("(") + 1 : -1].split(",")[:3]]) for c in colours)
    assert ink - paper > 150
