import pytest
from core.models import User
from django.contrib.messages import get_messages
from reservations.models import *
from tests.conftest import *
pytestmark = pytest.mark.django_db(transaction=True)

def test_cancelled_in_confirm(rest, alice, bob, movie):
    show = make_show(movie, seats=10)
    hold = rest.hold(alice, show.pk, seat_numbers=[1]).facts["id"]
    b = rest.book(alice, show.pk, 1).facts["id"]
    rest.cancel(alice, b)
    rest.book(bob, show.pk, 1)
    a = rest.confirm(alice, hold)
    print("CONFIRM after book+cancel:", a.status, a.code, [(x["seat_number"], x["status"]) for x in a.facts.get("list", [])])

def test_single(rest, alice, movie):
    show = make_show(movie, seats=10)
    b = rest.book(alice, show.pk, 5).facts["id"]
    hold = rest.hold(alice, show.pk, seat_numbers=[1]).facts["id"]
    print("MOVE onto own held:", rest.move(alice, b, 1).code, "confirm:", rest.confirm(alice, hold).code, "extend:", rest.extend(alice, hold).code)

def test_deactivated(rest, alice, sam, movie, client):
    show = make_show(movie, seats=10)
    rest.hold(alice, show.pk, seat_numbers=[1]); rest.book(alice, show.pk, 2)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    client.login(username="sam", password=PASSWORD)
    for m, a in (("hold", "release"), ("booking", "cancel")):
        pk = Hold.objects.get().pk if m == "hold" else Booking.objects.get().pk
        r = client.post(f"/admin/reservations/{m}/", {"action": a, "_selected_action": [pk]})
        print("ADMIN", m, [str(x) for x in get_messages(r.wsgi_request)][-1:])
