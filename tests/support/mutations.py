"""Table of mutations: for each guard, a patch that breaks it and the tests that must then fail (tests/mutation.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A broken guard: in the file `path`, `text` becomes `replacement`. One of `tests` must fail then."""

    guard: str
    path: str
    text: str
    replacement: str
    tests: tuple[str, ...]

    def apply(self, source: str) -> str:
        """The source with the guard broken. Raises ValueError unless the text occurs exactly once."""
        if (count := source.count(self.text)) != 1:
            raise ValueError(f"{self.path}: {count} times instead of once: {self.text}")
        return source.replace(self.text, self.replacement)


TASKS = (
    Mutation(
        "fence and start not compared at the outcome",
        "taskqueue/claims.py",
        "WHERE id = %(id)s AND fence = %(fence)s AND started_at = %(started_at)s",
        "WHERE id = %(id)s",
        ("tests/taskqueue/test_leases.py",),
    ),
    Mutation(
        "start not compared at the outcome",
        "taskqueue/claims.py",
        "WHERE id = %(id)s AND fence = %(fence)s AND started_at = %(started_at)s",
        "WHERE id = %(id)s AND fence = %(fence)s",
        ("tests/taskqueue/test_leases.py",),
    ),
    Mutation(
        "fence not compared at the renewal of a lease",
        "taskqueue/claims.py",
        "AND task.fence = mine.fence AND task.started_at = mine.started_at",
        "",
        ("tests/taskqueue/test_leases.py",),
    ),
    Mutation(
        "fence not compared when a request is recorded",
        "taskqueue/statements.py",
        "AND fence = %(fence)s AND started_at = %(task_started_at)s AND leased_until IS NOT NULL",
        "",
        ("tests/taskqueue/test_leases.py",),
    ),
    Mutation(
        "lost worker counted although its lease was renewed",
        "taskqueue/claims.py",
        "(Task.fence == task.fence) & (Task.leased_until < NOW)",
        "(Task.fence == task.fence)",
        ("tests/taskqueue/test_leases.py",),
    ),
    Mutation(
        "claim of a task that another worker has",
        "taskqueue/statements.py",
        "task.state = 0 AND leased_until IS NULL AND due_at <= now()",
        "task.state = 0 AND due_at <= now()",
        ("tests/taskqueue/test_claims.py",),
    ),
    Mutation(
        "claim of a task that is not due",
        "taskqueue/statements.py",
        "task.state = 0 AND leased_until IS NULL AND due_at <= now()",
        "task.state = 0 AND leased_until IS NULL",
        ("tests/taskqueue/test_claims.py",),
    ),
    Mutation(
        "claim of an inactive shop's task",
        "taskqueue/statements.py",
        "AND (shop.active OR task.entity = {shop_entity:d})",
        "",
        ("tests/taskqueue/test_claims.py",),
    ),
    Mutation(
        "claim of a task that calls Engage while the circuit breaker is open",
        "taskqueue/statements.py",
        "AND (NOT %(calls_engage)s OR shop.paused_until IS NULL OR shop.paused_until <= now())",
        "",
        ("tests/taskqueue/test_circuit_breaker.py",),
    ),
    Mutation(
        "probe by more than one worker",
        "taskqueue/circuit_breaker.py",
        "(Shop.id == shop.id) & over",
        "Shop.id == shop.id",
        ("tests/taskqueue/test_circuit_breaker.py",),
    ),
    Mutation(
        "pause lengthened by a call begun before it",
        "taskqueue/circuit_breaker.py",
        "AND (paused_until IS NULL OR %(probe)s)",
        "AND (%(probe)s OR true)",
        ("tests/taskqueue/test_circuit_breaker.py",),
    ),
    Mutation(
        "sweep of a paused shop's tasks",
        "taskqueue/sweeper.py",
        "AND (s.shop_id <> ALL(%(paused)s) OR type <> ALL(%(calling_engage)s))",
        "",
        ("tests/taskqueue/test_circuit_breaker.py",),
    ),
    Mutation(
        "sweep that waits for the rows of another",
        "taskqueue/sweeper.py",
        "FOR UPDATE SKIP LOCKED",
        "FOR UPDATE",
        ("tests/taskqueue/test_sweeper.py",),
    ),
    Mutation(
        "running task replaces a queued one",
        "taskqueue/claims.py",
        "AND state = 0 AND leased_until IS NULL AND {NOT_A_RESEND",
        "AND state = 0 AND {NOT_A_RESEND",
        ("tests/taskqueue/test_entity_order.py",),
    ),
    Mutation(
        "success solves the errors of other types",
        "taskqueue/statements.py",
        "AND task.shopify_id = %(shopify_id)s AND task.type = %(type)s",
        "AND task.shopify_id = %(shopify_id)s",
        ("tests/taskqueue/test_solved_errors.py",),
    ),
    Mutation(
        "call within a transaction",
        "taskqueue/exchanges.py",
        "if db.in_transaction():",
        "if False:",
        ("tests/taskqueue/test_outcomes.py",),
    ),
    Mutation(
        "retry after a failure although a mail may have arrived",
        "taskqueue/runner.py",
        "if unsure or exchanges.is_unsure(task.id, task.fence):",
        "if False:",
        ("tests/taskqueue/test_unknown_outcome.py",),
    ),
    Mutation(
        "retry after a lost worker although a mail may have arrived",
        "taskqueue/sweeper.py",
        "if exchanges.is_unsure(task.id, task.fence):",
        "if False:",
        ("tests/taskqueue/test_unknown_outcome.py",),
    ),
    Mutation(
        "repeated call after a deadlock although a mail may have arrived",
        "taskqueue/runner.py",
        "if not is_rolled_back(error) or exchanges.is_unsure(task.id, task.fence):",
        "if not is_rolled_back(error):",
        ("tests/taskqueue/test_deadlocks.py",),
    ),
    Mutation(
        "retry by hand of a task that is no Error",
        "taskqueue/retry.py",
        "WHERE id = ANY(%(ids)s) AND state = 2",
        "WHERE id = ANY(%(ids)s)",
        ("tests/views/tasks/test_actions.py",),
    ),
    Mutation(
        "retry by hand without a question although a mail may have arrived",
        "taskqueue/retry.py",
        "if task.code == OUTCOME_UNKNOWN or task.id in acted:",
        "if False:",
        ("tests/views/tasks/test_actions.py",),
    ),
    Mutation(
        "advisory lock not taken",
        "database.py",
        "SELECT pg_try_advisory_lock(%s, hashtext(%s))",
        "SELECT true FROM (SELECT %s, hashtext(%s)) AS untaken",
        ("tests/taskqueue/test_scheduler.py",),
    ),
)

WEB = (
    Mutation(
        "signature of Shopify's webhook not checked",
        "views/webhooks/shopify.py",
        "return any(fits)",
        "return bool(fits)",
        ("tests/views/webhooks/test_shopify.py",),
    ),
    Mutation(
        "signature of Engage's webhook not checked",
        "clients/engage/webhooks.py",
        "if not any(_matches(secret, signed, body) for secret in secrets):",
        "if not list(secrets):",
        ("tests/views/webhooks/test_engage.py",),
    ),
    Mutation(
        "webhook answered before it is committed",
        "views/webhooks/ingest.py",
        "await asyncio.wait_for(webhook.stored, seconds)",
        "await asyncio.sleep(0)",
        ("tests/views/webhooks/test_ingest.py",),
    ),
    Mutation(
        "webhook's body read without a limit",
        "views/webhooks/request.py",
        "if size > LARGEST_BODY:",
        "if False:",
        ("tests/views/webhooks/test_shopify.py",),
    ),
    Mutation(
        "webhook's shop header not checked",
        "views/webhooks/shopify.py",
        "if not topic or not is_shop_domain(domain):",
        "if not topic:",
        ("tests/views/webhooks/test_shopify.py",),
    ),
    Mutation(
        "unsigned webhooks not limited",
        "views/webhooks/request.py",
        "return too_many_unsigned(seconds) if seconds else answer",
        "return answer",
        ("tests/views/web/test_rate_limits.py",),
    ),
    Mutation(
        "CSRF token not compared",
        "views/web/csrf.py",
        "return any(hmac.compare_digest(token.encode(), own.encode()) for own in _csrf_tokens(request))",
        "return bool(token)",
        ("tests/views/tasks/test_actions.py",),
    ),
    Mutation(
        "permission not required",
        "views/web/forms.py",
        "if needs not in state_of(request).session.permissions:",
        "if False:",
        ("tests/views/web/test_embedded_session.py",),
    ),
    Mutation(
        "session without an end",
        "views/web/session.py",
        '.loads(request.cookies.get(SESSION_COOKIE, ""), max_age=SESSION_SECONDS)',
        '.loads(request.cookies.get(SESSION_COOKIE, ""))',
        ("tests/views/web/test_session.py",),
    ),
    Mutation(
        "session of an inactive shop",
        "views/web/session.py",
        "(Shop.id == shop_id) & Shop.active",
        "(Shop.id == shop_id)",
        ("tests/views/web/test_session.py",),
    ),
    Mutation(
        "access token of a shop that removed the app taken as valid",
        "views/web/embedded_session.py",
        "(Shop.domain == viewer.shop) & Shop.active",
        "(Shop.domain == viewer.shop)",
        ("tests/views/web/test_embedded_session.py",),
    ),
    Mutation(
        "redirect to another site from the bounce page",
        "views/web/embedded_session.py",
        'and not url.startswith(("//", "/\\\\"))',
        "",
        ("tests/views/web/test_embedded_session.py",),
    ),
    Mutation(
        "page shown in anybody's frame",
        "views/web/security_headers.py",
        'f"frame-ancestors {frame_ancestors}"',
        '"frame-ancestors *"',
        ("tests/views/web/test_security_headers.py",),
    ),
    Mutation(
        "post from another site accepted",
        "views/web/request_checks.py",
        "if request.method in SAFE or not _is_cross_site(request.headers) or self._is_exempt(request):",
        "if True:",
        ("tests/views/web/test_request_checks.py",),
    ),
    Mutation(
        "request under another host name served",
        "views/web/request_checks.py",
        'if _is_our_host(request.headers.get("host", "")):',
        "if True:",
        ("tests/views/web/test_request_checks.py",),
    ),
    Mutation(
        "export without its permission",
        "views/tasks/export.py",
        "require(request, Permission.EXPORT)",
        "pass",
        ("tests/views/account/test_members.py", "tests/views/web/test_embedded_session.py"),
    ),
    Mutation(
        "another shop's task found by its id",
        "views/tasks/show.py",
        "(Task.id == task_id) & (Task.shop == shop)",
        "(Task.id == task_id)",
        ("tests/views/tasks/test_show.py",),
    ),
    Mutation(
        "formula in a CSV cell not escaped",
        "views/tasks/serializer.py",
        "return escape_formulas(str(value))",
        "return str(value)",
        ("tests/views/tasks/test_export.py",),
    ),
    Mutation(
        "another system's message in an export",
        "views/tasks/serializer.py",
        "task.reason and redacted_reason(task.reason)",
        "task.reason",
        ("tests/views/tasks/test_export.py",),
    ),
    Mutation(
        "tasks of every shop matched by a filter",
        "tasklog/filter.py",
        '["shop_id = %(shop)s", *search, *own]',
        '["true", *search, *own]',
        ("tests/taskqueue/test_bulk_retry.py",),
    ),
)

CLIENTS = (
    Mutation(
        "connection to a private address",
        "clients/http/ssrf_guard.py",
        "if not all(map(is_public, found)):",
        "if False:",
        ("tests/clients/test_ssrf_guard.py",),
    ),
    Mutation(
        "private address inside an IPv6 address",
        "clients/http/ssrf_guard.py",
        "return _is_public4(IPv4Address(int(address) & 0xFFFFFFFF))",
        "return True",
        ("tests/clients/test_ssrf_guard.py",),
    ),
    Mutation(
        "redirect followed",
        "clients/http/transport.py",
        "allow_redirects=False",
        "allow_redirects=True",
        ("tests/clients/test_ssrf_guard.py",),
    ),
    Mutation(
        "response read without a limit",
        "clients/http/transport.py",
        "if size > MAX_RESPONSE_BYTES:",
        "if False:",
        ("tests/clients/test_ssrf_guard.py",),
    ),
    Mutation(
        "proxy taken from the environment",
        "clients/http/transport.py",
        "new.trust_env = False",
        "new.trust_env = True",
        ("tests/clients/test_ssrf_guard.py", "tests/clients/test_engage_client.py"),
    ),
    Mutation(
        "response cut inside its headers taken for a success",
        "clients/http/transport.py",
        "if self._reader.ended:",
        "if False:",
        ("tests/clients/test_engage_client.py",),
    ),
    Mutation(
        "signature of an ID token not verified",
        "clients/shopify/id_token.py",
        '"strict_aud": True',
        '"verify_signature": False',
        ("tests/clients/test_id_token.py",),
    ),
    Mutation(
        "ID token for another app accepted",
        "clients/shopify/id_token.py",
        '"strict_aud": True',
        '"verify_aud": False',
        ("tests/clients/test_id_token.py",),
    ),
    Mutation(
        "ID token whose issuer is another shop accepted",
        "clients/shopify/id_token.py",
        '(issuer.netloc, issuer.path) != (shop.netloc, "/admin")',
        'issuer.path != "/admin"',
        ("tests/clients/test_id_token.py",),
    ),
)

PRIVACY = (
    Mutation(
        "ciphertext not bound to its row",
        "encryption.py",
        '{self._shop}|{table}|{column}|{row}".encode()',
        '{self._shop}|{table}|{column}".encode()',
        ("tests/privacy/test_encryption.py",),
    ),
    Mutation(
        "ciphertext not bound to its shop",
        "encryption.py",
        '{self._shop}|{table}|{column}|{row}".encode()',
        '{table}|{column}|{row}".encode()',
        ("tests/privacy/test_encryption.py",),
    ),
    Mutation(
        "secret left in a log line",
        "redaction.py",
        "(EMAIL_OR_PASSWORD, SECRET, PHONE_WITH_PLUS)",
        "(EMAIL_OR_PASSWORD, PHONE_WITH_PLUS)",
        ("tests/privacy/test_redaction.py",),
    ),
    Mutation(
        "personal field of a body not masked",
        "redaction.py",
        "if self._location.personal else",
        "if False else",
        ("tests/privacy/test_redaction.py",),
    ),
    Mutation(
        "connection that acts as the tables' owner",
        "database.py",
        "conn.execute(SET_ROLE, (config.database_role,))",
        'conn.execute("SELECT 1")',
        ("tests/privacy/test_row_level_security.py",),
    ),
    Mutation(
        "page in the scope of all shops",
        "views/web/view.py",
        "with connected(scope):",
        'with connected("every"):',
        ("tests/privacy/test_row_level_security.py",),
    ),
    Mutation(
        "scope that a thread was left in believed",
        "database.py",
        "if scope != EVERY:",
        "if False:",
        ("tests/privacy/test_row_level_security.py",),
    ),
    Mutation(
        "scope after a rollback taken as known",
        "database.py",
        'if sql.startswith("ROLLBACK"):',
        "if False:",
        ("tests/privacy/test_row_level_security.py",),
    ),
    Mutation(
        "customer erased while a task about them runs",
        "privacy/requests.py",
        "if erasure.any_running(tasks):",
        "if False:",
        ("tests/privacy/test_erasure_meanwhile.py",),
    ),
    Mutation(
        "running task anonymised",
        "privacy/erasure.py",
        "WHERE id = ANY(%s) AND leased_until IS NULL RETURNING id",
        "WHERE id = ANY(%s) RETURNING id",
        ("tests/privacy/test_erasure_meanwhile.py",),
    ),
    Mutation(
        "key of an erased shop kept",
        "privacy/erasure.py",
        'key=b"",',
        "",
        ("tests/privacy/test_shop_erasure.py",),
    ),
    Mutation(
        "shop erased that has the app again",
        "privacy/requests.py",
        "if still_installed(task):",
        "if False:",
        ("tests/privacy/test_shop_erasure.py",),
    ),
    Mutation(
        "key deleted meanwhile brought back by a rotation",
        "privacy/key_rotation.py",
        'WHERE id = %s AND key = %s", (new, shop_id, key)',
        'WHERE id = %s", (new, shop_id)',
        ("tests/privacy/test_key_rotation.py",),
    ),
    Mutation(
        "bodies of a pending task deleted",
        "tasklog/retention.py",
        "AND task.state <> 0",
        "",
        ("tests/tasklog/test_retention.py",),
    ),
    Mutation(
        "failed task deleted as early as a success",
        "tasklog/retention.py",
        "OR state = 2 AND created_at < %(error)s",
        "OR state = 2",
        ("tests/tasklog/test_retention.py",),
    ),
)

SYNC = (
    Mutation(
        "older snapshot replaces a newer one",
        "sync/entities.py",
        "WHERE {name}.updated_at <= excluded.updated_at",
        "",
        ("tests/taskqueue/test_entity_order.py",),
    ),
    Mutation(
        "receipt of a test order",
        "mappings/receipt/purchase.py",
        'if order.get("test"):',
        "if False:",
        ("tests/mappings/test_receipt_due.py",),
    ),
    Mutation(
        "receipt of an order with more lines to read",
        "mappings/receipt/purchase.py",
        'if (order["lineItems"].get("pageInfo") or {}).get("hasNextPage"):',
        "if False:",
        ("tests/mappings/test_receipt.py",),
    ),
    Mutation(
        "failed transaction counted as a payment",
        "mappings/receipt/payments.py",
        'if sign and transaction["status"] in statuses and',
        "if sign and",
        ("tests/mappings/test_receipt_payments.py",),
    ),
    Mutation(
        "correction while a refund is pending",
        "mappings/receipt/correction.py",
        "if not sent or any(refund_is_pending(refund) for refund in refunds):",
        "if not sent:",
        ("tests/mappings/test_correction.py",),
    ),
    Mutation(
        "retried receipt with other contents than the first",
        "sync/receipts.py",
        'first = _sent_before(task, receipt["uniqueReceiptId"]) or receipt',
        "first = receipt",
        ("tests/sync/test_corrections.py",),
    ),
    Mutation(
        "receipt for another tenant repeated",
        "sync/receipts.py",
        "== receipt_id and _same_tenant(task.shop, exchange)",
        "== receipt_id",
        ("tests/sync/test_another_tenant.py",),
    ),
    Mutation(
        "notification of a change before they were switched on",
        "sync/notifications.py",
        "and (self.since is None or happened >= self.since)",
        "",
        ("tests/sync/test_notifications.py",),
    ),
    Mutation(
        "notification of an old change",
        "sync/notifications.py",
        "utcnow() - happened < NOTIFY_WITHIN and",
        "",
        ("tests/sync/test_notifications.py",),
    ),
    Mutation(
        "update of another contact resent",
        "sync/resend.py",
        "or not _same_contact(task, path, sent)",
        "",
        ("tests/sync/test_resend.py",),
    ),
    Mutation(
        "call although nothing of a contact has changed",
        "sync/contacts.py",
        "elif not upgraded:",
        "elif False:",
        ("tests/sync/test_resend.py", "tests/sync/test_contact_links.py"),
    ),
    Mutation(
        "memory of consents read without its lock",
        "sync/consent_memory.py",
        ".for_update().get()",
        ".get()",
        ("tests/sync/test_consent_memory.py",),
    ),
    Mutation(
        "alert mail claimed by two workers",
        "alerts/outbox.py",
        "& (Mail.due_at <= NOW) & _free()",
        "& (Mail.due_at <= NOW)",
        ("tests/alerts/test_outbox.py",),
    ),
    Mutation(
        "alert mail to several addresses in one",
        "alerts/delivery.py",
        "config.mail_from, _single(mail.address)",
        "config.mail_from, mail.address",
        ("tests/alerts/test_outbox.py",),
    ),
    Mutation(
        "rule that fails stops the others",
        "alerts/evaluation.py",
        "except Exception as error:",
        "except ZeroDivisionError as error:",
        ("tests/alerts/test_evaluation.py",),
    ),
    Mutation(
        "evaluation stored although another process was first",
        "alerts/rule_states.py",
        "(AlertRule.rule == rule.rule) & (AlertRule.state == rule.state)",
        "(AlertRule.rule == rule.rule)",
        ("tests/alerts/test_evaluation.py",),
    ),
)

MUTATIONS = (*TASKS, *WEB, *CLIENTS, *PRIVACY, *SYNC)
