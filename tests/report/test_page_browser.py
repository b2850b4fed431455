"""The page in a browser: it renders, filters filter, keys work, and what data hold stays text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from par_model.report.job import run_report
from par_model.report.options import ReportOptions
from tests.report.results import COLOURS, failed_row, ok_row, write_result

pytestmark = pytest.mark.slow

TRACKLETS = 3000
HOSTILE = [
    '</script><img src=x onerror="document.title=1">',
    "two\nlines\u2028three <b>bold</b> {{ 7 * 7 }}",
    "'\"><svg onload=alert(1)>" + "z" * 10_000,
]


def rows() -> list[Any]:
    """Ids t0000 and so on; every third is red, blue, green; every second has a backpack; the last hundred failed."""
    found = []
    for i in range(TRACKLETS - len(HOSTILE) - 100):
        backpack = 0.6 + 0.3 * (i % 10) / 10 if i % 2 else 0.05
        embedding = [1.0, 0.0, i / 1000]
        found.append(ok_row(f"t{i:04}", COLOURS[i % 3], backpack=backpack, camera_id=str(i % 4), embedding=embedding))
    found += [ok_row(text, "blue", camera_id=text, embedding=[-1.0, 0.0, 0.0]) for text in HOSTILE]
    found += [failed_row(f"x{i:03}", message=f"{HOSTILE[0]} {i}") for i in range(100)]
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    labels = {f"t{i:04}": [1, 0, 0, 1, 0] for i in range(60)}  # right: red ones with a backpack, i % 6 == 3
    out = write_result(folder, rows(), labels)
    (folder / "a.png").unlink()  # pictures have a test of their own: here only so many places where they would be
    options = ReportOptions(str(out), str(folder / "report.html"), str(folder / "scores"), limit=TRACKLETS)
    assert run_report(options).tracklets == TRACKLETS
    return (folder / "report.html").as_uri()


@pytest.fixture
def browser(chromium: Chrome, page: str) -> Iterator[Chrome]:
    """The page, freshly opened. What the console said by the end of the test must be nothing."""
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.set_window_size(1280, 900)
    chromium.get(page)
    yield chromium
    assert chromium.get_log("browser") == []


def choose(browser: Chrome, control: str, text: str) -> None:
    Select(browser.find_element(By.ID, control)).select_by_visible_text(text)


def show(browser: Chrome, name: str) -> None:
    label = browser.find_element(By.XPATH, f"//fieldset//span[text()='{name}']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", label)  # not below the bar on top
    label.click()


def count(browser: Chrome) -> int:
    return int(browser.find_element(By.ID, "count").text.split(" of ")[0])


def ids(browser: Chrome) -> list[str]:
    return [str(button.get_property("textContent")) for button in browser.find_elements(By.CSS_SELECTOR, ".open")]


def nodes(browser: Chrome) -> int:
    return int(browser.execute_script("return document.querySelectorAll('*').length"))


def test_it_renders_with_a_bounded_number_of_elements(browser: Chrome) -> None:
    assert browser.find_element(By.TAG_NAME, "h1").text == "3\u202f000 tracklets, 3 attributes"
    assert count(browser) == TRACKLETS
    assert len(ids(browser)) == 24
    assert nodes(browser) < 1500
    for _ in range(3):
        browser.find_element(By.ID, "next").click()
    assert browser.find_element(By.ID, "page").text == "Page 4 of 125"
    assert len(ids(browser)) == 24
    assert nodes(browser) < 1500
    canvas = browser.find_element(By.CSS_SELECTOR, "canvas")
    browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", canvas)
    WebDriverWait(browser, 10).until(lambda b: b.execute_script("return Boolean(Chart.getChart(arguments[0]))", canvas))
    drawn = "const p = arguments[0].getContext('2d').getImageData(0, 0, arguments[0].width, arguments[0].height).data;"
    assert browser.execute_script(drawn + "return p.some((v) => v)", canvas)


def test_filters_by_attribute_camera_state_and_confidence(browser: Chrome) -> None:
    regular = range(TRACKLETS - len(HOSTILE) - 100)
    choose(browser, "filter-0", "red")
    assert count(browser) == len([i for i in regular if i % 3 == 0])
    choose(browser, "filter-1", "yes")
    both = [i for i in regular if i % 3 == 0 and i % 2]
    assert count(browser) == len(both)
    assert ids(browser)[:2] == ["t0003", "t0009"]
    choose(browser, "camera", "1")
    assert count(browser) == len([i for i in both if i % 4 == 1])
    choose(browser, "about", "backpack")
    browser.find_element(By.ID, "from").send_keys("0.8")
    sure = [i for i in both if i % 4 == 1 and 0.6 + 0.3 * (i % 10) / 10 >= 0.8]
    assert 0 < count(browser) == len(sure)
    browser.find_element(By.ID, "clear").click()
    assert count(browser) == TRACKLETS
    show(browser, "Failed")
    assert count(browser) == 100
    show(browser, "Wrong")
    assert count(browser) == 50
    show(browser, "All right")
    assert count(browser) == 10
    assert set(ids(browser)) == {f"t{i:04}" for i in range(3, 60, 6)}
    choose(browser, "filter-0", "green")
    assert ids(browser) == []
    assert browser.find_element(By.CSS_SELECTOR, ".gallery .empty").text == "No tracklet is like that. Clear a filter."


def test_tracklets_like_one(browser: Chrome) -> None:
    browser.find_element(By.ID, "search").send_keys("t2000")
    assert ids(browser) == ["t2000"]
    browser.find_element(By.CSS_SELECTOR, ".open").click()
    browser.find_element(By.ID, "similar").click()
    browser.find_element(By.ID, "search").clear()
    browser.find_element(By.ID, "search").send_keys(Keys.BACKSPACE, "t")
    nearest = [int(name[1:]) for name in ids(browser)]
    assert len(nearest) == 24
    assert all(abs(i - 2000) < 80 for i in nearest)
    assert "t2000" in browser.find_element(By.ID, "like").text


def test_keys_alone_are_enough(browser: Chrome) -> None:
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys("/")
    assert browser.switch_to.active_element.get_attribute("id") == "search"
    browser.switch_to.active_element.send_keys("t00")
    assert count(browser) == 100
    first = browser.find_element(By.CSS_SELECTOR, ".open")
    browser.execute_script("arguments[0].focus()", first)
    first.send_keys(Keys.ENTER)
    title = browser.find_element(By.ID, "detail-id")
    assert title.text == "t0000"
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert title.text == "t0001"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.find_element(By.ID, "detail").is_displayed()
    assert browser.switch_to.active_element.text == "t0001"
    unnamed = """return [...document.querySelectorAll('button, select, input')]
        .filter((e) => !e.textContent.trim() && !e.ariaLabel && !e.labels?.length).length"""
    assert browser.execute_script(unnamed) == 0


def test_hostile_ids_and_messages_stay_text(browser: Chrome) -> None:
    choose(browser, "filter-0", "blue")
    browser.find_element(By.ID, "search").send_keys("<")
    assert sorted(ids(browser)) == sorted(HOSTILE)
    for button in browser.find_elements(By.CSS_SELECTOR, ".open"):
        browser.execute_script("arguments[0].click()", button)
        assert browser.find_element(By.ID, "detail-id").get_property("textContent") in HOSTILE
        browser.find_element(By.ID, "close").click()
    assert browser.title == "3\u202f000 tracklets, small: parjob report"
    assert browser.execute_script("return document.querySelectorAll('img, svg[onload], .gallery b, h2 b').length") == 0
    browser.find_element(By.ID, "clear").click()
    show(browser, "Failed")
    card = browser.find_element(By.CSS_SELECTOR, ".gallery .failed .strip")
    assert card.get_property("textContent") == f"video-not-found: {HOSTILE[0]} 0"


def test_a_telephone_needs_no_scrolling_sideways(browser: Chrome) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.refresh()
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    choose(browser, "camera", "1")
    browser.execute_script("document.querySelector('.open').click()")
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360


CONTRAST = """
const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const rgb = (text) => {
    const c = new OffscreenCanvas(1, 1).getContext('2d'); c.fillStyle = text; c.fillRect(0, 0, 1, 1);
    return [...c.getImageData(0, 0, 1, 1).data];
};
const behind = (e) => { for (; e; e = e.parentElement) {
    const found = rgb(getComputedStyle(e).backgroundColor); if (found[3] === 255) return found; } };
const bad = new Set();
for (const e of document.querySelectorAll('main *, header *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest('svg, :disabled') || !e.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
}
return [...bad];
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(browser: Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.refresh()
    show(browser, "Wrong")
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(245, 246, 248)", "dark": "rgb(15, 18, 21)"}[scheme]
    assert browser.execute_script(CONTRAST) == []


def test_the_button_turns_dark_into_light(browser: Chrome) -> None:
    button = browser.find_element(By.ID, "theme")
    colours = []
    for name in ("Light", "Dark", "Auto"):
        button.click()
        assert button.text == name
        colours.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert colours[:2] == ["rgb(245, 246, 248)", "rgb(15, 18, 21)"]


def test_pictures_are_shown_from_the_file_alone(chromium: Chrome, tmp_path: Path) -> None:
    out = write_result(tmp_path, [ok_row(f"t{i}") for i in range(3)])
    run_report(ReportOptions(str(out), str(tmp_path / "report.html")))
    chromium.get((tmp_path / "report.html").as_uri())
    chromium.execute_script("document.getElementById('gallery').scrollIntoView({behavior: 'instant'})")
    widths = "return [...document.querySelectorAll('.strip img')].map((i) => i.complete && i.naturalWidth)"
    WebDriverWait(chromium, 10).until(lambda b: b.execute_script(widths) == [130, 130, 130])
    assert chromium.get_log("browser") == []
    assert chromium.execute_script(
        "return performance.getEntriesByType('resource').map((r) => r.name.slice(0, 5))"
    ) in (
        [],
        ["data:"] * 4,
        ["data:"] * 3,
    )
