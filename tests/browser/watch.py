"""What no page may do, seen by the browser itself."""

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

# The browser tells of these in its console too; an event says what exactly was blocked.
TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (violation) => console.error(
  `Content-Security-Policy: ${violation.effectiveDirective} blocked ${violation.blockedURI}: ${violation.sample}`
));
"""


class Watch:
    """Notes every console error, uncaught error, failed request and request to somebody else."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.noted: list[str] = []
        self.pardoned: list[str] = []
        context.add_init_script(TELL_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", self._uncaught)
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)

    def pardon(self, pattern: str) -> None:
        """Expect what a test brings about on purpose; each pattern must be met."""
        self.pardoned.append(pattern)

    @property
    def faults(self) -> list[str]:
        faults = [fault for fault in self.noted if not any(re.search(pattern, fault) for pattern in self.pardoned)]
        unmet = [pattern for pattern in self.pardoned if not any(re.search(pattern, fault) for fault in self.noted)]
        return faults + [f"expected, and it did not happen: {pattern}" for pattern in unmet]

    def _console(self, message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        if message.type == "error":
            self.noted.append(f"console: {message.text} ({address})")

    def _uncaught(self, error: WebError) -> None:
        self.noted.append(f"uncaught: {error.error.message}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.noted.append(f"outside: {request.method} {request.url}")

    def _failed(self, request: Request) -> None:
        # Aborted is what the page itself gave up: a search while the next letter is typed, all when it is left.
        if request.failure != "net::ERR_ABORTED":
            self.noted.append(f"failed: {request.method} {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.noted.append(f"answer: {response.status} {response.request.method} {response.url}")
