"""The interface of everything that has a global id."""

from strawberry import relay

DATABASE_ID = "The number that REST knows it by."


class Node(relay.Node):
    """A row with a global id of its type and primary key."""

    @classmethod
    def resolve_id_attr(cls) -> str:
        return "pk"  # the library would search the annotations for it, once a row
