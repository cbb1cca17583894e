"""Tests in a real Chromium. What they expect is waited for longer than by default, since the machine may be busy."""

from playwright.sync_api import expect

expect.set_options(timeout=20_000)
