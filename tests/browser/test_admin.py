"""The admin, as the cinema's staff meets it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.served import Served

pytestmark = pytest.mark.browser


@pytest.fixture
def staff(page: Page, served: Served) -> Page:
    """The page, once Sam has logged in."""
    page.goto("/admin/")
    page.get_by_label("Username").fill("staff")
    page.get_by_label("Password").fill(served.passwords["staff"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Movies, shows and bookings")).to_be_visible()
    return page


@pytest.fixture
def show(served: Served) -> int:
    """A show of five seats of which the fourth is sold."""
    show = served.make_show(title="The Third Man", seats=5)
    served.book(show, 4)
    return show


class TestShows:
    def test_the_list_tells_what_is_sold_and_what_is_available(
        self, staff: Page, show: int, shoot: Callable[[str], None]
    ) -> None:
        staff.get_by_role("link", name="Shows", exact=True).click()
        expect(staff.get_by_role("heading", name="Select show to change")).to_be_visible()
        shoot("admin-shows")
        staff.goto(f"/admin/catalog/show/?id={show}")
        row = staff.locator("#result_list tbody tr")
        expect(row).to_have_count(1)
        expect(row.locator(".field-total_seats")).to_have_text("5")
        expect(row.locator(".field-sold")).to_have_text("1")
        expect(row.locator(".field-available")).to_have_text("4")

    def test_a_show_is_added_with_the_pickers(self, staff: Page, served: Served, show: int) -> None:
        staff.goto("/admin/catalog/show/add/")
        staff.locator(".field-movie .select2-selection").click()
        staff.locator(".select2-search__field").fill("Third")
        staff.locator(".select2-results__option", has_text="The Third Man").first.click()
        staff.locator("input[name=screen_name]").fill("Studio")
        staff.locator(".field-date_time .date-icon").click()
        staff.locator(".calendarbox:visible .calendarnav-next").click()
        staff.locator(".calendarbox:visible").get_by_role("link", name="15", exact=True).click()
        staff.locator(".field-date_time .clock-icon").click()
        staff.locator(".clockbox:visible").get_by_role("link", name="Noon").click()
        staff.locator("input[name=total_seats]").fill("24")
        staff.get_by_role("button", name="Save", exact=True).click()
        expect(staff.locator(".messagelist .success")).to_contain_text("was added successfully")

    def test_seats_are_taken_away_down_to_the_last_booked_one(
        self, staff: Page, show: int, served: Served, shoot: Callable[[str], None]
    ) -> None:
        staff.goto(f"/admin/catalog/show/{show}/change/")
        staff.locator("input[name=total_seats]").fill("3")
        staff.get_by_role("button", name="Save", exact=True).click()
        expect(staff.locator(".field-total_seats .errorlist")).to_contain_text("Seat 4 is booked")
        shoot("admin-refusal")
        assert served.available(show) == 4
        staff.locator("input[name=total_seats]").fill("4")
        staff.get_by_role("button", name="Save", exact=True).click()
        expect(staff.locator(".messagelist .success")).to_contain_text("was changed successfully")
        assert served.available(show) == 3

    def test_a_show_with_bookings_is_not_deleted(
        self, staff: Page, show: int, served: Served, shoot: Callable[[str], None]
    ) -> None:
        staff.goto(f"/admin/catalog/show/{show}/delete/")
        expect(staff.get_by_role("heading", name="Cannot delete show")).to_be_visible()
        expect(staff.locator("#content form input[type=submit]")).to_have_count(0)
        shoot("admin-delete-refused")
        assert served.available(show) == 4


class TestBookings:
    def test_the_action_cancels_a_booking(self, staff: Page, show: int, served: Served) -> None:
        staff.goto(f"/admin/reservations/booking/?show={show}")
        row = staff.locator("#result_list tbody tr")
        expect(row.locator(".field-status")).to_have_text("booked", ignore_case=True)
        row.locator(".action-select").check()
        staff.get_by_label("Action:").select_option("cancel")
        staff.locator(".actions button").click()
        expect(staff.locator(".messagelist .success")).to_contain_text("cancelled")
        expect(row.locator(".field-status")).to_have_text("cancelled", ignore_case=True)
        assert served.available(show) == 5
