"""The report as people meet it: in a browser, by keyboard, on a small screen, in the dark, printed, and without scripts."""

import json
import sys
import unittest
from pathlib import Path

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import browser

sys.path.append(str(Path(__file__).parents[1] / "plots"))
import sample  # noqa: E402
from plots.figures import FIGURES  # noqa: E402
from plots.load import load  # noqa: E402
from plots.report import build  # noqa: E402

VISIBLE = "const visible = (each) => each.checkVisibility() && each.getBoundingClientRect().width > 0 && each.getBoundingClientRect().height > 0;"


def setUpModule():
    """One page and one browser for all tests."""
    scratch = sample.scratch()
    unittest.addModuleCleanup(scratch.cleanup)
    Browser.results = load(sample.ALL)
    page = Path(scratch.name) / "report.html"
    page.write_text(build(Browser.results), encoding="utf-8")
    Browser.url = page.as_uri()
    Browser.axe = browser.axe_source()
    Browser.driver = browser.start()
    unittest.addModuleCleanup(Browser.driver.quit)


class Browser(unittest.TestCase):
    def setUp(self):
        self.open()

    def open(self, width=1280, scheme="light", media="", scripts=True):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.command("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.driver.get(self.url)

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def js(self, text, *arguments):
        return self.driver.execute_script(VISIBLE + text, *arguments)

    def shown(self, selector):
        """How many elements are seen, and how many there are."""
        return tuple(self.js("const all = [...document.querySelectorAll(arguments[0])]; return [all.filter(visible).length, all.length];", selector))

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def violations(self):
        """{rule of axe: the first elements that break it}"""
        self.driver.execute_script(self.axe)
        found = self.driver.execute_async_script("axe.run(document, {resultTypes: ['violations']}).then(arguments[0]);")
        self.assertGreater(len(found["passes"]), 10)
        return {each["id"]: [node["html"][:200] for node in each["nodes"][:3]] for each in found["violations"]}


class Page(Browser):
    def test_nothing_is_complained_of_and_nothing_is_fetched(self):
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # what was before
        self.open()
        self.assertEqual(self.driver.get_log("browser"), [])
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
        self.assertEqual({url for url in urls if not url.startswith("data:")}, {self.url})

    def test_every_figure_is_seen(self):
        self.assertEqual(self.shown("figure"), (len(FIGURES), len(FIGURES)))
        self.assertEqual(self.shown(".picture > svg, .picture > img"), (len(FIGURES), len(FIGURES)))

    def test_nothing_is_wider_than_the_screen(self):
        for width in (1280, 360):
            self.open(width=width)
            self.assertEqual(*self.js("const page = document.documentElement; return [page.scrollWidth, page.clientWidth];"), width)

    def test_a_print_has_no_controls(self):
        for selector in ("nav", "#shown"):
            self.assertEqual(self.shown(selector), (1, 1))
        self.open(media="print")
        for selector in ("nav", "#shown"):
            self.assertEqual(self.shown(selector), (0, 1))
        self.assertEqual(self.shown("figure"), (len(FIGURES), len(FIGURES)))

    def test_without_scripts_all_is_there_but_the_controls(self):
        self.open(scripts=False)
        self.assertEqual(self.shown("#shown"), (0, 1))
        self.assertEqual(self.shown("th button"), (0, 0))
        self.assertEqual(self.shown("figure"), (len(FIGURES), len(FIGURES)))
        self.assertEqual(self.shown(".off"), (0, 0))


class Hiding(Browser):
    def box(self, name):
        return self.driver.find_element(By.CSS_SELECTOR, f'#shown input[value="{name}"]')

    def test_an_allocator_goes_from_figures_and_tables_and_comes_back(self):
        mine, others = '[data-series="slub"]', '[data-series]:not([data-series="slub"])'
        for name in ("latency", "throughput", "paths", "path_cost", "memory", "free_blocks", "huge_pages", "peers", "micro", "scale"):
            self.assertGreater(self.shown(f'figure[id^="{name}-"] {mine}')[0], 0, name)
        before = self.shown(mine), self.shown(others)
        self.box("slub").click()
        self.assertEqual(self.shown(mine), (0, before[0][1]))
        self.assertEqual(self.shown(others), before[1])
        self.box("slub").click()
        self.assertEqual((self.shown(mine), self.shown(others)), before)

    def test_rows_and_columns_of_tables_are_those_that_name_it(self):
        self.box("slub").click()
        named = self.js("""return [...document.querySelectorAll("table.sortable")].flatMap((table) => {
            const column = [...table.tHead.rows[0].cells].findIndex((cell) => /^(allocator|malloc)/.test(cell.textContent));
            return column < 0 ? [] : [...table.tBodies[0].rows].filter(visible).map((row) => row.cells[column].textContent); });""")
        self.assertIn("malloc", named)
        self.assertNotIn("slub", named)
        head = self.js("return [...document.querySelector('#trace-1 table').tHead.rows[0].cells].filter(visible).map((cell) => cell.textContent);")
        self.assertEqual(head, ["allocator", "malloc", "buddy"])

    def test_the_legend_of_a_figure_follows(self):
        texts = "return [...document.querySelectorAll('#latency-1 text')].filter(visible).map((text) => text.textContent);"
        self.assertIn("slub", self.js(texts))
        self.box("slub").click()
        self.assertNotIn("slub", self.js(texts))

    def test_every_allocator_of_the_tables_can_be_hidden(self):
        values = self.js("return [...document.querySelectorAll('#shown input')].map((box) => box.value);")
        rows = set(self.js("return [...document.querySelectorAll('table [data-series]')].map((row) => row.dataset.series);"))
        self.assertLessEqual(rows, set(values))
        self.assertEqual(len(values), len(set(values)))

    def test_the_controls_stay_in_sight(self):
        self.js("document.getElementById('peers').scrollIntoView();")
        self.assertEqual(self.js("return document.getElementById('shown').getBoundingClientRect().top;"), 0)


class Data(Browser):
    def test_a_click_gives_the_data_behind_a_figure_as_plain_csv(self):
        name, text = self.driver.execute_async_script("""
            const done = arguments[0];
            let data;
            URL.createObjectURL = (blob) => { data = blob; return "blob:none"; };
            HTMLAnchorElement.prototype.click = function() { data.text().then((text) => done([this.download, text])); };
            document.querySelector("#latency-1 a[download]").dispatchEvent(new MouseEvent("click", {cancelable: true}));""")
        self.assertEqual(name, "latency-1.csv")
        wanted = FIGURES["latency"].frame(self.results)
        head, *rows = text.splitlines()
        self.assertEqual(head.split(","), list(wanted.columns))
        self.assertEqual([row.split(",")[0] for row in rows], list(wanted.label))


class Sorting(Browser):
    def head(self, name):
        return next(each for each in self.driver.find_elements(By.CSS_SELECTOR, "#trace-1 table.sortable th[scope=col]") if each.text.startswith(name))

    def rows(self):
        return [tuple(row[:2]) for row in self.js("return [...document.querySelector('#trace-1 table.sortable').tBodies[0].rows]"
                                                  ".map((row) => [...row.cells].map((cell) => cell.textContent));")]

    def test_a_click_sorts_by_value_and_another_turns_it_round(self):
        means = {(row.operation, row.label): row.mean for row in self.results.latency.itertuples()}
        wanted = sorted(means, key=means.get)
        self.assertEqual(set(self.rows()), set(wanted))
        self.assertNotEqual(self.rows(), wanted)
        head = self.head("mean")
        for state, order in (("ascending", wanted), ("descending", wanted[::-1])):
            head.find_element(By.TAG_NAME, "button").click()
            self.assertEqual(head.get_attribute("aria-sort"), state)
            self.assertEqual([means[row] for row in self.rows()], [means[row] for row in order])

    def test_one_column_at_a_time_is_called_sorted_and_texts_have_an_order_too(self):
        for name in ("mean", "allocator"):
            self.head(name).find_element(By.TAG_NAME, "button").click()
        self.assertEqual(self.shown("#trace-1 [aria-sort]"), (1, 1))
        self.assertEqual([label for _, label in self.rows()], sorted(label for _, label in self.rows()))

    def test_cells_are_compared_by_what_they_mean(self):
        texts = ["over 99.99 %", "1.2\u00a0µs", "35 ns", "712,345", "1 MiB", "900 KiB", "9.5 M/s", "4.49 (4.1 to 5)", "pair/64"]
        self.assertEqual(self.js("return arguments[0].map((text) => key({textContent: text}));", texts),
                         [99.99, 1200, 35, 712345, 2**20, 900 * 2**10, 9.5e6, 4.49, "pair/64"])

    def test_what_is_not_known_comes_last_either_way(self):
        table = ("<table id=t><thead><tr><th>x</th></tr></thead><tbody>" + "".join(f"<tr><td>{text}</td></tr>" for text in ("2 ns", "–", "1 µs", "1 ns"))
                 + "</tbody></table>")
        for sign, wanted in ((1, ["1 ns", "2 ns", "1 µs", "–"]), (-1, ["1 µs", "2 ns", "1 ns", "–"])):
            self.assertEqual(self.js("document.body.insertAdjacentHTML('afterbegin', arguments[0]); const table = document.getElementById('t');"
                                     "sort(table, 0, arguments[1]); const texts = [...table.tBodies[0].rows].map((row) => row.textContent);"
                                     "table.remove(); return texts;", table, sign), wanted)


class Keyboard(Browser):
    def test_every_control_is_reached_and_its_focus_is_seen(self):
        controls = "nav a, #shown input, th button, dd a"
        wanted, reached = self.shown(controls)[0], 0
        while True:
            self.press(Keys.TAB)
            place, matches, outline = self.js("const at = document.activeElement; return [at.outerHTML.slice(0, 200), at.matches(arguments[0]),"
                                              "getComputedStyle(at).outlineStyle];", controls)
            if place.startswith("<body"):  # behind the last one
                break
            reached += matches
            self.assertNotEqual(outline, "none", place)
        self.assertEqual(reached, wanted)

    def test_keys_work_the_controls(self):
        self.js("document.querySelector('#shown input').focus();")
        name = self.js("return document.activeElement.value;")
        self.press(Keys.SPACE)
        self.assertEqual(self.shown(f'[data-series="{name}"]')[0], 0)
        self.js("document.querySelector('th button').focus();")
        self.press(Keys.ENTER)
        self.assertEqual(self.js("return document.activeElement.parentElement.ariaSort;"), "ascending")


class Accessibility(Browser):
    def test_nothing_is_found_in_the_light_and_in_the_dark(self):
        for scheme, dark in (("light", False), ("dark", True)):
            for width in (1280, 360):
                with self.subTest(f"{scheme}, {width} wide"):
                    self.open(width=width, scheme=scheme)
                    self.js("document.querySelectorAll('details').forEach((each) => { each.open = true; });")
                    red = self.js("return Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]);")
                    self.assertEqual(red < 128, dark)
                    self.assertEqual(self.violations(), {})

    def test_planted_defects_are_found(self):
        self.js("""document.querySelector("svg[role=img]").removeAttribute("aria-label");
                   document.querySelector("#questions dd").style.color = "#bbb";
                   document.querySelector("#shown label").replaceWith(document.querySelector("#shown input"));""")
        self.assertLessEqual({"svg-img-alt", "color-contrast", "label"}, set(self.violations()))


if __name__ == "__main__":
    unittest.main()
