"""What a release may do to the tables: the migrations of today, and one more."""

import reservations.migrations

__path__ = [*reservations.migrations.__path__, *__path__]
