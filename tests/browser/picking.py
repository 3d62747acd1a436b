"""What a cinema-goer does at the seat picker."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.served import Served

PASSWORD = "correct horse battery"


class Visitor:
    """Somebody with a page of their own."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, show: int) -> None:
        self.page.goto(f"/shows/{show}/picker/")
        expect(self.page.locator("#live")).to_have_text("Live")

    def seat(self, label: str) -> Locator:
        return self.page.get_by_role("checkbox", name=re.compile(f"^{label}, "))

    def choose(self, *labels: str) -> None:
        for label in labels:
            self.seat(label).click()

    def choose_anyway(self, label: str) -> None:
        """Press a seat although it is marked as not to be had."""
        self.seat(label).click(force=True)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def sees(self, label: str, state: str, within: int | None = None) -> None:
        """Expect a seat to be told as this, within so many milliseconds."""
        expect(self.seat(label)).to_have_attribute("aria-label", f"{label}, {state}", timeout=within)

    def is_told(self, words: str | re.Pattern[str], within: int | None = None) -> None:
        expect(self.page.get_by_role("status").and_(self.page.locator("#message"))).to_contain_text(
            words, timeout=within
        )

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        self.page.locator("#session").click()
        self.fill_in(username, password)
        expect(self.page.locator("#who")).to_have_text(f"Signed in as {username}")

    def fill_in(self, username: str, password: str = PASSWORD) -> None:
        form = self.page.locator("#account form")
        form.get_by_label("Name").fill(username)
        form.get_by_label("Password").fill(password)
        form.locator("[type=submit]").click()

    @property
    def holds(self) -> Locator:
        return self.page.get_by_role("region", name="Held for you").get_by_role("listitem")

    @property
    def bookings(self) -> Locator:
        return self.page.get_by_role("region", name="My bookings of this show").get_by_role("listitem")


def make_account(served: Served, username: str) -> str:
    served.send("POST", "/signup", {"username": username, "password": PASSWORD})
    served.passwords[username] = PASSWORD
    return username


def scrolls_sideways(page: Page) -> Any:
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


# For each piece of text: its colour against what is behind it, by the formula of the WCAG.
_CONTRASTS = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ratio = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    const shape = element.closest(".seat")?.querySelector(".shape");
    const colour = parse(shape ? getComputedStyle(shape).fill : getComputedStyle(element).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
    return behind((shape ? element.closest("svg") : element).parentElement);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!texts.currentNode.data.trim() || !box.width || element.closest("noscript, dialog:not([open])")) continue;
    const style = getComputedStyle(element);
    const colour = parse(element.closest("svg") ? style.fill : style.color);
    found.push([texts.currentNode.data.trim(), ratio(colour, behind(element))]);
  }
  return found;
}"""


def faint_texts(page: Page) -> list[tuple[str, float]]:
    """Give the texts whose contrast is below 4.5 : 1."""
    found = page.evaluate(_CONTRASTS)
    assert len(found) > 10
    return [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5]
