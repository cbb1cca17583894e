"""Every word that the pages say, in one place."""

from __future__ import annotations

from typing import ClassVar

from models import Lane, Outcome, State

REFUSALS = {
    400: "This address cannot be understood",
    401: "You are not signed in",
    403: "Not allowed",
    404: "Not found",
    503: "Not available right now",
}


class Text:
    """Labels and sentences, named for where they stand."""

    app = "Voyado Engage"
    title = "Task overview"
    skip = "Skip to content"
    sign_out = "Sign out"
    imports = "Imports"
    back_to_list = "Task listing"

    signed_out = (
        "Open the app in Shopify's admin, or ask whoever runs it for a sign-in link: "
        "python manage.py sign-in --shop YOUR-SHOP.myshopify.com"
    )
    away = "The database does not answer; nothing is lost, please try again in a moment."
    no_task = "There is no such task in this shop."
    no_sent = "Nothing was sent in this task yet."
    no_part = "This call has no such data."
    unreadable = "This can no longer be decrypted."

    bad_sort = "sort must be created_at, started_at or completed_at, with - before it for newest first; not {given!r}."
    bad_mark = "after and before must be marks from a page in the same order; start again without them."
    bad_both = "after and before exclude each other; give one of them."
    bad_range = "created_from must not be later than created_to."
    bad_repeat = "{name} may be given once."
    bad_choice = "{name} must be one of {known}; not {given!r}."
    bad_limit = "limit must be a whole number from 1 to {most}; not {given!r}."
    bad_instant = "{name} must be an ISO date or time such as 2026-11-24T14:05:00Z; not {given!r}."
    bad_q = "q must be an id of at most {longest} printable characters."
    bad_part = "part must be sent or received; not {given!r}."
    bad_exchange = "exchange must be the id of a call of this task; not {given!r}."
    unknown_parameter = "{given!r} is no parameter here; known are {known}."

    reading_shopify = "Shopify entity ID"
    reading_engage = "Voyado Engage entity ID"
    reading_uuid = "Task ID or Voyado Engage entity ID"
    reading_beginning = "Task ID, its beginning"

    summary = "Summary"
    summary_since = "Everything since"
    summary_note = ", whatever is filtered below."
    summary_empty = "Nothing has been counted yet."
    areas: ClassVar = {"contact_sync": "Contact sync", "order_sync": "Order sync", "all_tasks": "All tasks"}
    total = "Total"
    success_rate = "Success rate"
    mean_duration = "Mean duration"
    none_yet = "-"

    listing = "Task listing"
    search = "Search"
    search_hint = "Task ID, Shopify or Engage entity ID"
    state = "State"
    task_type = "Task type"
    all_types = "all"
    created_from = "Created from (UTC)"
    created_to = "Created to (UTC)"
    apply = "Apply"
    clear = "Clear all"
    drop = "Drop this filter"
    sort = "Sort"
    newest_first = "newest first"
    oldest_first = "oldest first"
    newer = "Newer"
    older = "Older"
    pages = "Pages"
    details = "Details"
    details_of = "Details of task"
    close = "Close"
    open_task = "Open the task with its data"

    chip_state = "State: {}"
    chip_type = "Type: {}"
    chip_from = "From {:%Y-%m-%d %H:%M:%S} UTC"
    chip_to = "To {:%Y-%m-%d %H:%M:%S} UTC"
    chip_q = "{reading}: {q}"

    one_task = "1 task"
    tasks = "{:,} tasks"
    tasks_and_more = "{:,}+ tasks"
    many_tasks = "many tasks"

    empty_title = "No tasks yet"
    empty = (
        "The first one appears as soon as Shopify tells the app about a customer or an order of {shop}: "
        "create or change one there."
    )
    no_match_title = "No task matches"
    no_match = "Drop a filter to see more:"
    drop_one = "Without “{}”"
    no_more = "There are no tasks on this page any more."
    first_page = "Back to the first page"

    paused = "Nothing is sent to Engage until {until}"
    paused_note = (
        "Tasks wait as Pending and go on by themselves when Engage answers again; nothing is lost. "
        "If the reason is the API key or its rights, correct it in Engage or connect the shop with a new key."
    )

    unknown_type = "Type {}"
    running = "Running, attempt {}"
    queued = "Queued"
    waiting = "Waiting until {}"
    skipped = "Skipped: {}"

    states: ClassVar = {State.SUCCESS: "Success", State.ERROR: "Error", State.PENDING: "Pending"}
    columns: ClassVar = {
        "id": "Task ID",
        "state": "Task state",
        "type": "Task type",
        "shopify_id": "Shopify entity ID",
        "created_at": "Created at",
        "started_at": "Started at",
        "completed_at": "Completed at",
        "duration_ms": "Duration (ms)",
    }
    utc = "UTC"
    outcomes: ClassVar = {
        Outcome.OPEN: "Running",
        Outcome.SUCCESS: "Success",
        Outcome.FAILED: "Failed",
        Outcome.WAITED: "Waited",
        Outcome.LOST: "Worker lost",
    }
    lanes: ClassVar = {Lane.LIVE: "Live", Lane.BULK: "Bulk"}

    properties = "Properties"
    attempts = "Attempts"
    attempt = "Attempt {}"
    no_attempts = "Not started yet."
    left_out = "The first {:,} are not shown."
    sent = "Sent"
    received = "Received"
    webhook_body = "Received from Shopify"
    exact = "exact bytes"
    size = "{:,} bytes"
    cut = "Only the first {:,} characters are shown."
    nothing = "Nothing"
    no_answer = "No answer"
    may_have_arrived = "It may have arrived all the same."
    related = "Related tasks"
    started_by = "Started by"
    has_started = "Has started"
    and_more = "and more"
    solved_by = "Solved by"
    replaced_by = "Replaced by"

    engage_id = "Voyado Engage entity ID"
    description = "What it does"
    group = "Group"
    detail = "In words"
    code = "Code"
    due_at = "Due at"
    published_at = "Last rung for at"
    leased_until = "Held by its worker until"
    waited = "Waited before the last attempt"
    lane = "Lane"
    key = "Key"
    crashes = "Workers lost at it"
