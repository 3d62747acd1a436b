"""What a release may not do to the tables: the migrations of today, and one more."""

import reservations.migrations

__path__ = [*reservations.migrations.__path__, *__path__]
