"""A database of one of the contestants: what it is filled with, and what is looked up in it."""

import csv
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

FILMS = Path(__file__).resolve().parents[1] / "reservations" / "demo_movies.csv"
MOVIES = 1000
BOOKERS = 16
SEATS = 300
MOST_SEATS = 10_000
PARTY = 5
HELD_SHOWS = 50
MINE = 200


class Database:
    """The tables of the application or of the baseline, which have the same columns."""

    def __init__(self, url: str, app: str) -> None:
        self.url = url
        names = {
            "ours": ("catalog_movie", "catalog_show", "reservations_booking", "core_user"),
            "baseline": ("baseline_movie", "baseline_show", "baseline_booking", "auth_user"),
        }[app]
        self._tables = dict(zip(("movie", "show", "booking", "user"), map(sql.Identifier, names), strict=True))
        self._connection: psycopg.Connection | None = None
        self._groups: list[tuple[int, int, int]] = []

    def furnish(self, *, shows: int, bookings: int = 0) -> None:
        """Give the account ``reader`` company, and everybody films, shows and bookings to read.

        The first film has the shows, each half sold; the reader has 200 bookings; the other bookings, up to the
        number given, are of shows and accounts that nobody asks for.
        """
        self._add_accounts()
        self._add_movies()
        self.film = self._one("SELECT min(id) FROM {movie}")
        self._premiere = self.film + 1
        self._sell(self._shows(self.film, shows), shows, SEATS // 2, buyers=[self.audience])
        self._sell(self._shows(self.film + 2, HELD_SHOWS), HELD_SHOWS, MINE // HELD_SHOWS, buyers=[self.reader])
        self._sell_to_strangers(bookings - self.count())
        self.settle()

    def furnish_premiere(self, shows: int) -> int:
        """Add accounts, movies and shows, ANALYZE before the first booking, and give the first show's number."""
        self._add_accounts()
        self._add_movies()
        self._premiere = self._one("SELECT min(id) FROM {movie}")
        first_show = self.fresh_shows(shows)
        # Nothing comes to the rescue: a vacuum, too, would have every prepared statement planned anew.
        self._run("ALTER TABLE {booking} SET (autovacuum_enabled = false)")
        self.settle()
        return first_show

    def settle(self) -> None:
        """Let nothing of the filling be left to do."""
        self._run("VACUUM ANALYZE")
        self._run("CHECKPOINT")

    def fresh_shows(self, count: int, seats: int = SEATS) -> int:
        """Add shows that nobody has booked yet, numbered one after the other, and give the first number."""
        return self._shows(self._premiere, count, seats)

    def sold_out_show(self, seats: int) -> int:
        show = self.fresh_shows(1, seats)
        self._sell(show, 1, seats, buyers=[self.audience])
        return show

    def sell_out(self, first_show: int, shows: int) -> None:
        """Sell neighbouring shows of 300 seats."""
        self._sell(first_show, shows, SEATS, buyers=[self.audience])

    def half_sold_shows(self, count: int, seats: int, seats_per_row: int) -> int:
        """Add shows of which every other party of five neighbours, by chance, has its seats."""
        first = self._one(
            "WITH added AS (INSERT INTO {show} (movie_id, screen_name, date_time, total_seats, seats_per_row)"
            " SELECT %s, 'Aurora', now() + interval '7 days' + number * interval '1 hour', %s, %s"
            " FROM generate_series(1, %s) AS number RETURNING id) SELECT min(id) FROM added",
            *(self._premiere, seats, seats_per_row, count),
        )
        self._run(
            "INSERT INTO {booking} (user_id, show_id, seat_number, status, created_at)"
            " SELECT %s, show, seat, 'booked', now() - interval '30 days'"
            " FROM generate_series(%s::int, %s::int) AS show, LATERAL (SELECT seat FROM generate_series(1, %s) AS seat"
            " ORDER BY md5(show || ' ' || (seat - 1) / %s), seat LIMIT %s) AS sold",
            *(self.audience, first, first + count - 1, seats, PARTY, seats // 2),
        )
        return first

    def expect_groups(self, first_show: int, shows: int, size: int) -> None:
        """Remember that these shows are sold so many seats at a time."""
        self._groups.append((first_show, first_show + shows - 1, size))

    def sold_in_part(self) -> int:
        """Count the transactions that sold more or fewer seats than a group has."""
        return sum(
            self._one(
                "SELECT count(*) FROM (SELECT 1 FROM {booking} WHERE show_id BETWEEN %s AND %s AND user_id <> %s"
                " GROUP BY changed HAVING count(*) <> %s) AS part",
                *(first, last, self.audience, size),
            )
            for first, last, size in self._groups
        )

    def count(self) -> int:
        return self._one("SELECT count(*) FROM {booking}")

    def newest(self) -> int:
        return self._one("SELECT coalesce(max(id), 0) FROM {booking}")

    def booked_since(self, newest: int) -> int:
        return self._one("SELECT count(*) FROM {booking} WHERE id > %s", newest)

    def lost(self, confirmed: Sequence[int]) -> int:
        """Count the confirmed bookings that are not there, and those that were confirmed twice."""
        there = self._one("SELECT count(*) FROM {booking} WHERE id = ANY(%s)", list(confirmed))
        return len(confirmed) - there

    def sold_twice(self) -> int:
        """Count the seats with more than one live booking."""
        return self._one(
            "SELECT count(*) FROM (SELECT 1 FROM {booking} WHERE status = 'booked'"
            " GROUP BY show_id, seat_number HAVING count(*) > 1) AS twice"
        )

    def _add_accounts(self) -> None:
        """Copy the reader: one password, so one hash to make."""
        self._run("UPDATE {user} SET is_staff = false, is_superuser = false WHERE username = 'reader'")
        self._copy_reader("'booker' || number", BOOKERS)
        self._copy_reader("'audience' || number", 1)
        self.reader = self._one("SELECT id FROM {user} WHERE username = 'reader'")
        self.first_booker = self._one("SELECT min(id) FROM {user} WHERE username LIKE 'booker%%'")
        self.audience = self._one("SELECT id FROM {user} WHERE username = 'audience1'")

    def _copy_reader(self, name: str, copies: int) -> None:
        with self.connect().execute(sql.SQL("SELECT * FROM {user} LIMIT 0").format(**self._tables)) as cursor:
            columns = [column.name for column in cursor.description or () if column.name != "id"]
        values = [
            sql.SQL(name) if column == "username" else sql.SQL("''") if column == "email" else sql.Identifier(column)
            for column in columns
        ]
        statement = sql.SQL(
            "INSERT INTO {user} ({columns}) SELECT {values} FROM {user}, generate_series(1, %s) AS number"
            " WHERE username = 'reader' ORDER BY number"
        )
        columns_ = sql.SQL(", ").join(map(sql.Identifier, columns))
        self.connect().execute(
            statement.format(columns=columns_, values=sql.SQL(", ").join(values), **self._tables), [copies]
        )

    def _add_movies(self) -> None:
        with FILMS.open(encoding="utf-8", newline="") as lines:
            films = [(row["title"], int(row["duration_minutes"])) for row in csv.DictReader(lines)]
        rounds = [
            (f"{title} {number}" if number else title, minutes)
            for number in range(MOVIES // len(films) + 1)
            for title, minutes in films
        ]
        with self.connect().transaction(), self.connect().cursor() as cursor:
            cursor.executemany(
                sql.SQL("INSERT INTO {movie} (title, duration_minutes) VALUES (%s, %s)").format(**self._tables),
                rounds[:MOVIES],
            )

    def _shows(self, movie: int, count: int, seats: int = SEATS) -> int:
        return self._one(
            "WITH added AS (INSERT INTO {show} (movie_id, screen_name, date_time, total_seats)"
            " SELECT %s, 'Aurora', now() + interval '7 days' + number * interval '1 hour', %s"
            " FROM generate_series(1, %s) AS number RETURNING id) SELECT min(id) FROM added",
            *(movie, seats, count),
        )

    def _sell(self, first_show: int, shows: int, seats: int, *, buyers: Sequence[int]) -> None:
        """Sell the first seats of neighbouring shows."""
        self._run(
            "INSERT INTO {booking} (user_id, show_id, seat_number, status, created_at)"
            " SELECT (%s::bigint[])[1 + step %% %s], %s + step / %s, 1 + step %% %s, 'booked',"
            " now() - interval '30 days' + step * interval '1 millisecond' FROM generate_series(0, %s - 1) AS step",
            *(list(buyers), len(buyers), first_show, seats, seats, shows * seats),
        )

    def _sell_to_strangers(self, bookings: int) -> None:
        if bookings <= 0:
            return
        self._copy_reader("'stranger' || number", min(20_000, bookings))
        first, strangers = self.connect().execute(
            sql.SQL("SELECT min(id), count(*) FROM {user} WHERE username LIKE 'stranger%'").format(**self._tables)
        ).fetchone() or (0, 0)
        shows = -(-bookings // SEATS)
        first_show = self._shows(self._premiere + 1, shows)
        with self.connect().transaction():
            # The rows are right as they are written; without a look at each key it takes half as long.
            self._run("SET LOCAL session_replication_role = replica")
            self._run(
                "INSERT INTO {booking} (user_id, show_id, seat_number, status, created_at)"
                " SELECT %s + step %% %s, %s + step / 300, 1 + step %% 300, 'booked',"
                " now() - interval '60 days' + step * interval '1 millisecond' FROM generate_series(0, %s - 1) AS step",
                *(first, strangers, first_show, bookings),
            )

    def connect(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self.url, autocommit=True)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, statement: str, *values: object) -> None:
        self.connect().execute(sql.SQL(statement).format(**self._tables), values or None)

    def _one(self, statement: str, *values: object) -> int:
        cursor = self.connect().execute(sql.SQL(statement).format(**self._tables), values)
        row = cursor.fetchone()
        assert row
        return int(row[0])
