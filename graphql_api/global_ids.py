"""Global ids: the type's name and the row's number, in base64."""

import base64
import binascii


def global_id(type_name: str, number: int) -> str:
    return base64.b64encode(f"{type_name}:{number}".encode()).decode()


def number_of(global_id: str, type_name: str) -> int:
    """Read the number of a global id of this type; else 0."""
    kind, number = parts_of(global_id)
    return number if kind == type_name else 0


def parts_of(global_id: str) -> tuple[str, int]:
    """Read type and number of a global id; else ("", 0)."""
    try:
        kind, _, number = base64.b64decode(global_id, validate=True).decode("ascii").partition(":")
    except (ValueError, binascii.Error):
        return "", 0
    return (kind, int(number)) if number.isdecimal() and len(number) < 19 else ("", 0)
