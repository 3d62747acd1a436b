"""Accounts and their tokens as clients see them."""

import strawberry
import strawberry_django
from strawberry import auto

from core import models
from graphql_api.loaders import RowField
from graphql_api.types.node import DATABASE_ID, Node


@strawberry_django.type(models.User, field_cls=RowField, name="User", description="An account, as its owner sees it.")
class User(Node):
    database_id: int = strawberry_django.field(field_cls=RowField, field_name="id", description=DATABASE_ID)
    username: auto
    email: auto


@strawberry.type(description="A short-lived access token and the refresh token that renews it, once.")
class TokenPair:
    access: str = strawberry.field(description="Send it as `Authorization: Bearer …`; it is valid for 15 minutes.")
    refresh: str = strawberry.field(description="Exchange it with `refreshToken`, once; it is valid for 7 days.")


@strawberry.type(description="The refresh token is spent.")
class LoggedOut:
    ok: bool = strawberry.field(default=True, description="Always true.")
