"""Who may use an API."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, IsAdminUser


class IsStaffOrReadOnly(IsAdminUser):
    """Everybody may read; staff may write."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return request.method in SAFE_METHODS or super().has_permission(request, view)
