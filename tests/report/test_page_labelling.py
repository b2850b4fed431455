"""The labelling page in a browser, by keys alone: what is answered is what is saved."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from par_model.attributes import AttributeSchema, load_schema
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.labelling.options import LabelPageOptions
from par_model.labelling.page import run_label_page
from par_model.manifest import write_manifest
from tests.cli.run import parjob
from tests.report.results import ok_row, write_result
from tests.report.test_page_browser import CONTRAST, HOSTILE

pytestmark = pytest.mark.slow

NAMED = {"Space": " ", "Enter": Keys.ENTER, "←": Keys.ARROW_LEFT, "→": Keys.ARROW_RIGHT}

# What a person sees: the tracklet, the attribute, each answer with its key, what is predicted.
SEEN = """
const text = (id) => document.getElementById(id).textContent;
return {
    tracklet: text('tracklet'), group: text('group'), done: text('done'), said: text('said').trim(), rate: text('rate'),
    choices: [...document.querySelectorAll('#choices button')].map((b) => ({
        key: b.querySelector('kbd')?.textContent, text: b.querySelector('span').textContent,
        predicted: b.className === 'predicted', pressed: b.ariaPressed === 'true' })),
    answers: Object.fromEntries([...document.querySelectorAll('#groups button')].map(
        (b) => [b.querySelector('b').textContent, b.querySelector('.answer:not(.open)')?.textContent ?? null])),
    guesses: [...document.querySelectorAll('#groups .open')].map((e) => e.textContent),
};
"""


def make_page(folder: Path, **options: Any) -> str:
    """Four tracklets: red, blue, green, red; the second and fourth with a backpack; no hats."""
    rows = [ok_row(f"t{i}", ["red", "blue", "green"][i % 3], backpack=0.9 if i % 2 else 0.2) for i in range(4)]
    out = write_result(folder, rows)
    asked = {"predictions": str(out), "author": "eva"} | options
    run_label_page(LabelPageOptions(str(folder / "manifest.parquet"), str(folder / "label.html"), **asked))
    return (folder / "label.html").as_uri()


@pytest.fixture
def browser(chromium: Chrome, tmp_path: Path) -> Iterator[Chrome]:
    """Without anything kept from other tests. What the console said by the end must be nothing."""
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    chromium.set_window_size(1280, 900)
    chromium.get_log("browser")
    yield chromium
    chromium.execute_script("try { localStorage.clear() } catch {}")
    assert chromium.get_log("browser") == []


def press(browser: Chrome, *keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(NAMED.get(key, key))


def seen(browser: Chrome) -> Any:
    return browser.execute_script(SEEN)


def saved(folder: Path, author: str = "eva") -> Any:
    path = folder / f"answers-{author}.json"
    end = time.monotonic() + 10
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    found = json.loads(path.read_text())
    path.unlink()
    return found


def test_a_key_answers_and_goes_on_and_another_accepts_the_rest(browser: Chrome, tmp_path: Path) -> None:
    browser.get(make_page(tmp_path))
    first = seen(browser)
    assert (first["tracklet"], first["group"], first["done"]) == ("t0", "top color", "0 of 4")
    assert first["guesses"] == ["red? 80\u202f%", "no? 80\u202f%", "no? 90\u202f%"]
    assert [(c["key"], c["text"], c["predicted"]) for c in first["choices"]] == [
        ("1", "red", True),
        ("2", "blue", False),
        ("3", "green", False),
    ]
    press(browser, "3")
    assert seen(browser)["group"] == "backpack"
    assert [(c["key"], c["text"]) for c in seen(browser)["choices"]] == [("1", "yes"), ("2", "no")]
    press(browser, "x")
    assert seen(browser)["said"] == "backpack: cannot be seen. hat?"
    press(browser, "Space")
    assert (seen(browser)["tracklet"], seen(browser)["done"]) == ("t1", "1 of 4")
    assert seen(browser)["rate"] == "3.0 keys a tracklet"
    press(browser, "Enter")
    assert (seen(browser)["tracklet"], seen(browser)["done"]) == ("t2", "2 of 4")
    press(browser, "s")
    file = saved(tmp_path)
    assert (file["format"], file["version"], file["author"], file["keys"]) == ("parjob-answers", 1, "eva", 5)
    assert [(a["tracklet_id"], a["groups"]) for a in file["answers"]] == [
        ("t0", {"top_color": "green", "backpack": None, "hat": "no"}),
        ("t1", {"top_color": "blue", "backpack": "yes", "hat": "no"}),
    ]
    assert file["answers"][0]["time"] < file["answers"][1]["time"]
    assert AttributeSchema.parse(file["schema"], "page").name == "small"


def test_undo_goes_back_step_by_step_over_tracklets(browser: Chrome, tmp_path: Path) -> None:
    browser.get(make_page(tmp_path))
    press(browser, "2", "Enter", "1", "z")
    assert (seen(browser)["tracklet"], seen(browser)["group"]) == ("t1", "top color")
    assert seen(browser)["answers"] == {"top color": None, "backpack": None, "hat": None}
    press(browser, Keys.BACKSPACE)
    assert (seen(browser)["tracklet"], seen(browser)["group"]) == ("t0", "backpack")
    assert seen(browser)["answers"] == {"top color": "blue", "backpack": None, "hat": None}
    press(browser, "z", "z")
    assert (seen(browser)["group"], seen(browser)["done"]) == ("top color", "0 of 4")
    assert seen(browser)["said"].startswith("There is nothing to undo.")
    press(browser, "s")
    assert saved(tmp_path)["answers"] == []


def test_arrows_go_to_other_tracklets_and_attributes_and_answers_can_be_changed(
    browser: Chrome, tmp_path: Path
) -> None:
    browser.get(make_page(tmp_path))
    press(browser, "Enter", "←", Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    now = seen(browser)
    assert (now["tracklet"], now["group"]) == ("t0", "hat")
    assert [c["pressed"] for c in now["choices"]] == [False, True]
    press(browser, "1")
    assert (seen(browser)["tracklet"], seen(browser)["done"]) == ("t1", "1 of 4")
    press(browser, "→", "→", "→", Keys.ARROW_UP)
    assert (seen(browser)["tracklet"], seen(browser)["group"]) == ("t3", "hat")
    press(browser, "←", "←", "←")
    assert seen(browser)["answers"] == {"top color": "red", "backpack": "no", "hat": "yes"}


def test_the_browser_keeps_answers_for_this_page_alone(browser: Chrome, tmp_path: Path) -> None:
    address = make_page(tmp_path)
    browser.get(address)
    press(browser, "Enter", "2")
    browser.refresh()
    now = seen(browser)
    assert (now["tracklet"], now["group"], now["done"]) == ("t1", "backpack", "1 of 4")
    assert now["answers"] == {"top color": "blue", "backpack": None, "hat": None}
    other = tmp_path / "other"
    other.mkdir()
    browser.get(make_page(other, author="tom"))
    assert seen(browser)["done"] == "0 of 4"


REFUSED = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"


def test_where_storage_is_refused_answers_are_in_memory_and_the_page_says_so(browser: Chrome, tmp_path: Path) -> None:
    address = make_page(tmp_path)
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": REFUSED})
    try:
        browser.get(address)
        assert browser.find_element(By.ID, "note").text.startswith("This browser refuses to keep answers: save")
        press(browser, "Enter", "Enter", "s")
        assert [a["tracklet_id"] for a in saved(tmp_path)["answers"]] == ["t0", "t1"]
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        browser.get("about:blank")


def test_a_saved_file_is_gone_on_from(browser: Chrome, tmp_path: Path) -> None:
    address = make_page(tmp_path)
    browser.get(address)
    press(browser, "3", "x", "1", "s")
    file = saved(tmp_path)
    (tmp_path / "before.json").write_text(json.dumps(file))
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    browser.find_element(By.ID, "open").send_keys(str(tmp_path / "before.json"))
    end = time.monotonic() + 5
    while seen(browser)["done"] != "1 of 4" and time.monotonic() < end:
        time.sleep(0.05)
    press(browser, "s")
    assert saved(tmp_path)["answers"] == file["answers"]
    (tmp_path / "foreign.json").write_text(json.dumps(file | {"schema": "name = 'x'", "schema_name": "x"}))
    browser.find_element(By.ID, "open").send_keys(str(tmp_path / "foreign.json"))
    end = time.monotonic() + 5
    while not (note := browser.find_element(By.ID, "note").text) and time.monotonic() < end:
        time.sleep(0.05)
    assert note == "foreign.json is not taken: its answers are by another schema, x"
    wrong = [file["answers"][0], file["answers"][0] | {"tracklet_id": "t1", "groups": {"hat": "maybe"}}]
    (tmp_path / "wrong.json").write_text(json.dumps(file | {"answers": wrong}))
    browser.find_element(By.ID, "open").send_keys(str(tmp_path / "wrong.json"))
    end = time.monotonic() + 5
    while (note := browser.find_element(By.ID, "note").text).startswith("foreign") and time.monotonic() < end:
        time.sleep(0.05)
    assert note == "wrong.json is not taken: maybe is no answer of hat"


def test_a_file_of_somebody_else_is_not_taken_for_ones_own(browser: Chrome, tmp_path: Path) -> None:
    browser.get(make_page(tmp_path, author=""))
    press(browser, "Ева", "Enter", "Enter", "s")
    file = saved(tmp_path, "Ева")
    (tmp_path / "tom.json").write_text(json.dumps(file | {"author": "tom", "keys": 7}))
    opened = browser.find_element(By.ID, "open")
    opened.send_keys(str(tmp_path / "tom.json"))
    end = time.monotonic() + 5
    while not (note := browser.find_element(By.ID, "note").text) and time.monotonic() < end:
        time.sleep(0.05)
    assert note.startswith("tom.json is not taken: it has answers of tom, and here Ева labels")
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    press(browser, Keys.ESCAPE)
    browser.find_element(By.ID, "open").send_keys(str(tmp_path / "tom.json"))
    end = time.monotonic() + 5
    while (now := seen(browser))["done"] != "1 of 4" and time.monotonic() < end:
        time.sleep(0.05)
    assert now["rate"] == "7.0 keys a tracklet"
    press(browser, "s")
    assert saved(tmp_path, "tom")["answers"] == file["answers"]


def test_the_page_asks_who_labels(browser: Chrome, tmp_path: Path) -> None:
    browser.get(make_page(tmp_path, author=""))
    assert browser.switch_to.active_element.get_attribute("id") == "author"
    press(browser, "Eva 1/2", "Enter")
    assert seen(browser)["done"] == "0 of 4"  # what was typed was a name
    press(browser, "Enter", "s")
    assert saved(tmp_path, "Eva-1-2")["author"] == "Eva 1/2"
    browser.refresh()
    assert not browser.find_element(By.ID, "ask-who").is_displayed()


@pytest.mark.parametrize(
    "close",
    [
        "document.getElementById('who-form').requestSubmit();",
        "const who = document.getElementById('ask-who'); who.dispatchEvent(new Event('cancel')); who.close();",
    ],
    ids=["entered", "cancelled"],
)
def test_no_key_is_lost_to_a_field_of_a_dialog_that_has_closed(browser: Chrome, tmp_path: Path, close: str) -> None:
    """Closed and looked at by one script: before the page is drawn again."""
    browser.get(make_page(tmp_path, author=""))
    press(browser, "Eva")
    assert browser.execute_script(f"{close} return document.activeElement.tagName") == "BODY"


def test_who_is_blind_has_no_key_that_accepts(browser: Chrome, tmp_path: Path) -> None:
    browser.get(make_page(tmp_path, blind=True))
    assert not browser.find_element(By.ID, "accept").is_displayed()
    press(browser, "?")
    assert "predicted" not in browser.find_element(By.ID, "help").text
    press(browser, Keys.ESCAPE, "Space", "Enter")
    assert seen(browser)["answers"] == {"top color": None, "backpack": None, "hat": None}


def test_hostile_texts_stay_text_and_are_saved_as_they_are(browser: Chrome, tmp_path: Path) -> None:
    names = ["__proto__", "constructor", HOSTILE[0], HOSTILE[1]]
    groups = [f"[[groups]]\nname = {json.dumps(n)}\nkind = 'binary'\ntext = 't'\n" for n in names]
    values = ", ".join(
        f"{{ value = {json.dumps(v)}, text = 't' }}" for v in ("</script><b>", "</style>&amp;", HOSTILE[1])
    )
    groups.append(f"[[groups]]\nname = 'colour'\nkind = 'exclusive'\nclasses = [{values}]\n")
    schema = AttributeSchema.parse(f"name = {json.dumps(HOSTILE[0])}\n" + "".join(groups), "test")
    rows = [{"tracklet_id": t, "image_uris": [f"/{HOSTILE[0]}.png"], "camera_id": HOSTILE[0]} for t in HOSTILE]
    write_manifest(str(tmp_path / "m.parquet"), rows, label_schema=schema)
    options = LabelPageOptions(str(tmp_path / "m.parquet"), str(tmp_path / "label.html"), author=HOSTILE[0])
    run_label_page(options)
    browser.get((tmp_path / "label.html").as_uri())
    assert "3 tracklets to label" in browser.title
    for _ in HOSTILE:
        assert seen(browser)["tracklet"] in HOSTILE
        press(browser, "1", "2", "1", "x", "2")
    assert browser.execute_script("return document.querySelectorAll('main b, main img, svg').length") == len(names) + 2
    press(browser, "s")
    path = next(p for p in _waited(tmp_path) if p.name.startswith("answers-"))
    file = json.loads(path.read_text())
    assert file["author"] == HOSTILE[0]
    assert [a["tracklet_id"] for a in file["answers"]] == HOSTILE
    said = dict(zip([*names, "colour"], ["yes", "no", "yes", None, "</style>&amp;"], strict=True))
    assert all(a["groups"] == said for a in file["answers"])


def _waited(folder: Path) -> list[Path]:
    end = time.monotonic() + 10
    while not list(folder.glob("answers-*.json")) and time.monotonic() < end:
        time.sleep(0.05)
    return list(folder.iterdir())


def test_thirty_tracklets_of_the_demo_by_the_keys_that_the_page_tells(
    browser: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person wants to say is read off the page's own keys, and `apply` gives exactly those labels."""
    config = StreetConfig(seed=9, cameras=2, first_camera=1, seconds=10, fps=1, min_boxes=2, people_per_minute=60)
    manifest = render_street(config, tmp_path, workers=1)
    chosen, out = tmp_path / "chosen.parquet", tmp_path / "out"
    table = pq.read_table(manifest).slice(0, 30)
    bare = table.drop_columns(["labels", "split"]).replace_schema_metadata(None)
    pq.write_table(bare, chosen)
    monkeypatch.setenv("PARJOB_INFER_NO_RAY", "1")
    assert parjob("infer", "--manifest", chosen, "--weights", "demo", "--frames", "2", "--output", out) == 0
    options = LabelPageOptions(
        str(chosen), str(tmp_path / "label.html"), schema="street", predictions=str(out), author="eva"
    )
    made = run_label_page(options)
    assert (made.tracklets, made.predicted_tracklets) == (30, 30)
    schema = load_schema("street")
    wanted = {row["tracklet_id"]: dict(_wanted(schema, row)) for row in table.to_pylist()}
    browser.get((tmp_path / "label.html").as_uri())
    keys = 0
    while not (now := seen(browser))["said"].endswith("All answered."):
        keys += 1
        press(browser, _key(now, wanted[now["tracklet"]]))
        if keys % 50 == 0:  # a slip, and back
            press(browser, "x", "z")
    assert (now["done"], now["rate"]) == ("30 of 30", f"{(keys + 2 * (keys // 50)) / 30:.1f} keys a tracklet")
    assert keys <= 30 * len(schema.groups)  # one for a group, and fewer where Enter did for several
    press(browser, "s")
    file = saved(tmp_path)
    assert {a["tracklet_id"]: a["groups"] for a in file["answers"]} == wanted
    (tmp_path / "eva.json").write_text(json.dumps(file))
    labelled = tmp_path / "labelled.parquet"
    asked = ("--manifest", chosen, "--answers", tmp_path / "eva.json", "--output", labelled)
    assert parjob("label", "apply", *asked) == 0
    expected = []
    for row in table.to_pylist():
        said = wanted[row["tracklet_id"]]
        hidden = [said[group.name] is None for group in schema.groups for _ in group.classes]
        expected.append([-1 if h else label for h, label in zip(hidden, row["labels"], strict=True)])
    assert pq.read_table(labelled)["labels"].to_pylist() == expected


def _wanted(schema: AttributeSchema, row: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """What is true of each group, None where no frame shows it."""
    for group, span in schema.spans():
        labels = row["labels"][span]
        place = labels[0] if group.kind == "binary" else labels.index(1)
        yield group.name, group.answers[place] if max(row["visible"][span]) else None


def _key(now: Any, wanted: dict[str, str | None]) -> str:
    """The one for all that is open where the page guesses all of it right, else for the attribute that it asks."""
    spoken = {name.replace("_", " "): answer for name, answer in wanted.items()}
    still = [name for name, answer in now["answers"].items() if answer is None]
    guesses = [text.partition("?")[0] for text in now["guesses"]]
    if guesses == [spoken[name] for name in still]:
        return "Enter"
    answer = spoken[now["group"]]
    if answer is None:
        return "x"
    choice = next(choice for choice in now["choices"] if choice["text"] == answer)
    return "Space" if choice["predicted"] else str(choice["key"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(browser: Chrome, tmp_path: Path, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(make_page(tmp_path))
    press(browser, "1", "2", Keys.ARROW_UP)
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(245, 246, 248)", "dark": "rgb(15, 18, 21)"}[scheme]
    assert browser.execute_script(CONTRAST) == []


def test_a_telephone_needs_no_scrolling_to_answer(browser: Chrome, tmp_path: Path) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(make_page(tmp_path))
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    lowest = (
        "return Math.max(...[...document.querySelectorAll('.ask button')].map((b) => b.getBoundingClientRect().bottom))"
    )
    assert browser.execute_script(lowest) <= 740
    for _ in range(3):
        browser.execute_script("document.querySelector('#choices button').click()")
    assert seen(browser)["done"] == "1 of 4"
