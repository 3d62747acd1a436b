"""Swagger UI, as somebody who tries the API meets it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.served import Served

pytestmark = pytest.mark.browser


def authorize(page: Page, token: str) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".dialog-ux")
    dialog.get_by_label("auth-bearer-value").fill(token)
    dialog.get_by_role("button", name="Apply credentials").click()
    expect(dialog.get_by_role("button", name="Remove authorization")).to_be_visible()
    dialog.locator(".btn-done").click()
    expect(dialog).to_be_hidden()


def operation(page: Page, method: str, path: str) -> Locator:
    block = page.locator(".opblock", has=page.locator(f'[data-path="{path}"]')).and_(
        page.locator(f".opblock-{method.lower()}")
    )
    block.locator(".opblock-summary-control").click()
    return block


def execute(block: Locator, seat: str) -> None:
    block.locator(".body-param textarea").fill(f'{{"seat_number": {seat}}}')
    block.get_by_role("button", name="Execute").click()


class TestSwagger:
    def test_opens_under_the_policy(self, page: Page, shoot: Callable[[str], None]) -> None:
        response = page.goto("/swagger/")
        assert response
        assert "script-src 'self';" in response.headers["content-security-policy"]
        expect(page.get_by_role("heading", name="Movie ticket booking")).to_be_visible()
        expect(page.locator(".opblock")).not_to_have_count(0)
        shoot("swagger")

    def test_books_a_seat_with_the_customers_token(
        self, page: Page, served: Served, shoot: Callable[[str], None]
    ) -> None:
        show = served.make_show(title="The Third Man", seats=5)
        page.goto("/swagger/")
        authorize(page, served.token("customer"))
        block = operation(page, "POST", "/shows/{show_id}/book/")
        block.locator('tr[data-param-name="show_id"] input').fill(str(show))
        execute(block, "3")
        answer = block.locator(".live-responses-table .response").first
        expect(answer.locator(".response-col_status")).to_contain_text("201")
        expect(answer.locator(".response-col_description")).to_contain_text('"seat_number": 3')
        assert served.available(show) == 4
        answer.scroll_into_view_if_needed()
        shoot("swagger-booked")
