"""Errors that views raise, each with its HTTP status. `views.web.view` answers them with a page or with JSON."""

from __future__ import annotations

from collections.abc import Mapping


class HttpError(Exception):
    """An error answer. `str()` is its sentence for the person who sent the request."""

    status = 400
    headers: Mapping[str, str] = {}


class BadInput(HttpError):
    """A part of the request cannot be read."""


class NotSignedIn(HttpError):
    """The page needs a session, and there is none."""

    status = 401


class InvalidCsrfToken(HttpError):
    """The form's CSRF token is not of this session."""

    status = 403


class Forbidden(HttpError):
    """The session lacks the permission for this."""

    status = 403


class PageNotFound(HttpError):
    """Not found, or another shop's: the answer does not tell which."""

    status = 404


class Conflict(HttpError):
    """The present state of things does not allow this."""

    status = 409


class DatabaseUnavailable(HttpError):
    """The database is unavailable."""

    status = 503
