"""What GraphiQL sends, and what it tells where no answer comes."""

import json

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.graphiql import execute, log_in, result, run, take_tab, write
from tests.browser.served import Served
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser


class TestToken:
    def test_may_be_pasted_with_what_was_around_it(self, graphiql: Page, served: Served) -> None:
        token = served.token("customer")
        for pasted in (f"Bearer {token}", f'"{token}"', f" {token} "):
            graphiql.get_by_label("Access token").fill(pasted)
            assert run(graphiql, "MyBookings")["data"]["me"] == {"username": "customer"}

    def test_survives_a_reload_and_is_taken_out_once_it_is_refused(
        self, graphiql: Page, served: Served, watch: Watch
    ) -> None:
        graphiql.get_by_label("Access token").fill("expired")
        graphiql.reload()
        graphiql.get_by_role("button", name="Show Documentation Explorer").click()
        expect(graphiql.locator(".graphiql-doc-explorer")).to_contain_text("Root Types")
        expect(graphiql.get_by_label("Access token")).to_have_value("expired")
        watch.pardon("401")
        assert run(graphiql, "MyBookings")["errors"][0]["extensions"]["code"] == "token_not_valid"
        expect(graphiql.locator("#message")).to_contain_text("log in again")
        expect(graphiql.get_by_label("Access token")).to_have_value("")
        log_in(graphiql, served)

    def test_yields_to_the_one_among_the_headers(self, graphiql: Page, served: Served) -> None:
        graphiql.get_by_label("Access token").fill("expired")
        take_tab(graphiql, "MyBookings")
        graphiql.get_by_role("button", name="Headers").click()
        header = json.dumps({"authorization": f"Bearer {served.token('customer')}"})
        write(graphiql, ".graphiql-editor-tool", header)
        assert execute(graphiql)["data"]["me"] == {"username": "customer"}


class TestFailures:
    def test_a_server_that_is_gone_is_told(self, graphiql: Page, served: Served, watch: Watch) -> None:
        graphiql.route("**/graphql/", lambda route: route.abort("connectionrefused"))
        watch.pardon("ERR_CONNECTION_REFUSED")
        take_tab(graphiql, "Programme")
        graphiql.locator(".graphiql-execute-button").click()
        result(graphiql).to_contain_text(f"There is no answer from {served.origin}/graphql/")

    def test_a_proxys_page_is_told(self, graphiql: Page, watch: Watch) -> None:
        def answer(route: Route) -> None:
            route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>")

        graphiql.route("**/graphql/", answer)
        watch.pardon("502")
        take_tab(graphiql, "Programme")
        graphiql.locator(".graphiql-execute-button").click()
        result(graphiql).to_contain_text("HTTP 502")
        result(graphiql).to_contain_text("<h1>Bad Gateway</h1>")
