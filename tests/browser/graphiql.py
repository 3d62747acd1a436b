"""What a developer does in GraphiQL."""

import json
import re
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.served import Served


def take_tab(page: Page, name: str) -> None:
    page.locator(".graphiql-tab-button", has_text=name).click()
    operation = re.compile(rf"(query|mutation|subscription) {name}\b")
    expect(page.locator(".graphiql-query-editor")).to_contain_text(operation)


def write(page: Page, editor: str, text: str) -> None:
    page.locator(editor).locator(".CodeMirror:visible").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def run(page: Page, name: str, variables: Any = None) -> Any:
    """Run what a tab holds, and give what the server answered."""
    take_tab(page, name)
    if variables is not None:
        write(page, ".graphiql-editor-tool", json.dumps(variables))
    return execute(page)


def execute(page: Page) -> Any:
    with page.expect_response("**/graphql/") as answered:
        page.locator(".graphiql-execute-button").click()
    return answered.value.json()


def result(page: Page) -> Any:
    return expect(page.locator(".result-window"))


def log_in(page: Page, served: Served) -> None:
    run(page, "LogIn", {"input": {"username": "customer", "password": served.passwords["customer"]}})
    expect(page.locator("#message")).to_contain_text("HTTP 200")
