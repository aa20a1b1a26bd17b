"""Enough of Microsoft Advertising's Campaign Management service for the SDK, as SOAP; and the token endpoint that it asks."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from tests.streams.apply.wire.giving_up import leave_unanswered

_SERVICE = "https://bingads.microsoft.com/CampaignManagement/v13"
_CUSTOMERS = "https://bingads.microsoft.com/Customer/v13"
_FAULTS = "https://adapi.microsoft.com"
_NAMES = {
    "s": "http://schemas.xmlsoap.org/soap/envelope/",
    "c": _SERVICE,
    "a": "http://schemas.microsoft.com/2003/10/Serialization/Arrays",
}
FAULTS = {
    "expired": (109, "AuthenticationTokenExpired", "Authentication token expired."),
    "too_many": (117, "CallRateExceeded", "You have exceeded the number of calls in a minute."),
    "refused": (106, "UserIsNotAuthorized", "User is not authorized to perform this operation."),
    "broken": (0, "InternalError", "An internal error has occurred."),
}
PARTIAL = {
    "failed": (1154, "CampaignServiceCannotUpdateCampaign", "The campaign was not updated."),
    "absent": (1100, "CampaignServiceInvalidCampaignId", "The campaign ID is not valid."),
}


class MicrosoftServer:
    """Serves on a free port; ``fates`` say what becomes of the next writes: a key of ``FAULTS`` or ``PARTIAL``, ``unanswered``, or an HTTP status."""

    def __init__(self, currency="EUR"):
        self.budget, self.currency, self.shared = 50.0, currency, ""
        self.status, self.fates, self.writes, self.issued, self.is_expired = "Active", [], [], 0, False
        self.refresh_token = "refresh-token-of-microsoft"  # noqa: S105 - of no real account
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        self._server, self.given_up = server, threading.Event()
        self.endpoint = f"http://127.0.0.1:{server.server_port}/CampaignManagementService.svc"
        self.customer_endpoint = f"http://127.0.0.1:{server.server_port}/CustomerManagementService.svc"
        self.token_endpoint = f"http://127.0.0.1:{server.server_port}/token"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def make_daily(self):
        """All of them are."""

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    @property
    def token(self):
        return f"access-token-of-microsoft-{self.issued}"

    def give_token(self, fields):
        if fields["refresh_token"] != [self.refresh_token] or self.is_expired:
            return 400, json.dumps({"error": "invalid_grant", "error_description": "expired"})
        self.issued += 1
        return 200, json.dumps(
            {"access_token": self.token, "expires_in": 3600, "refresh_token": self.refresh_token}
        )

    def soap(self, envelope):
        header = {each.tag.partition("}")[2]: each.text for each in envelope.find("s:Header", _NAMES)}
        assert header["DeveloperToken"] == "developer-token-of-microsoft"
        if self.is_expired or header["AuthenticationToken"] != self.token:
            return fault("expired")
        (request,) = envelope.find("s:Body", _NAMES)
        if request.tag == f"{{{_CUSTOMERS}}}GetAccountRequest":
            assert [each.text for each in request] == ["77"]
            fields = f"<e:CurrencyCode>{self.currency}</e:CurrencyCode><e:Id>77</e:Id>"
            return body(
                "GetAccountResponse",
                f'<Account xmlns:e="{_CUSTOMERS}/Entities">{fields}</Account>',
                _CUSTOMERS,
            )
        # The service of accounts knows no such headers.
        assert (header["CustomerAccountId"], header["CustomerId"]) == ("77", "5")
        assert request.findtext("c:AccountId", None, _NAMES) == "77"
        return (
            self.found(request) if request.tag.endswith("GetCampaignsByIdsRequest") else self.update(request)
        )

    def found(self, request):
        assert "PerformanceMax" in request.findtext("c:CampaignType", None, _NAMES)
        if self.status is None or request.findtext("c:CampaignIds/a:long", None, _NAMES) != "4242":
            campaigns = '<Campaign i:nil="true"/>'
            return body("GetCampaignsByIdsResponse", f"<Campaigns>{campaigns}</Campaigns>{partial('absent')}")
        budget = f"<BudgetType>DailyBudgetStandard</BudgetType><DailyBudget>{self.budget}</DailyBudget>"
        campaign = f"<Campaign>{budget}<Id>4242</Id><Status>{self.status}</Status>{self.shared}</Campaign>"
        return body("GetCampaignsByIdsResponse", f"<Campaigns>{campaign}</Campaigns><PartialErrors/>")

    def update(self, request):
        (campaign,) = request.find("c:Campaigns", _NAMES)
        values = {each.tag.partition("}")[2]: each.text for each in campaign}
        assert values.pop("Id") == "4242"
        assert set(values) in ({"Status"}, {"DailyBudget"}), "what is not changed is left out"
        fate = self.fates.pop(0) if self.fates else "done"
        if fate in FAULTS:
            return fault(fate)
        if fate in PARTIAL:
            return body("UpdateCampaignsResponse", partial(fate))
        if isinstance(fate, int):
            return fate, "slower"
        self.writes.append(values)
        self.status, self.budget = (
            values.get("Status", self.status),
            float(values.get("DailyBudget", self.budget)),
        )
        return (None, None) if fate == "unanswered" else body("UpdateCampaignsResponse", "<PartialErrors/>")

    def _handler(self):
        there = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                """Tests are quiet."""

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/token":
                    status, text = there.give_token(parse_qs(raw.decode()))
                else:
                    status, text = there.soap(ET.fromstring(raw))  # noqa: S314 - of the SDK
                if status is None:
                    leave_unanswered(self.connection, there.given_up)
                    return
                payload = text.encode()
                self.send_response(status)
                self.send_header(
                    "Content-Type", "application/json" if self.path == "/token" else "text/xml; charset=utf-8"
                )
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

        return Handler


def body(name, inner, service=_SERVICE):
    return 200, _envelope(
        f'<{name} xmlns="{service}" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">{inner}</{name}>'
    )


def fault(name):
    code, error, message = FAULTS[name]
    errors = f"<Errors><AdApiError><Code>{code}</Code><ErrorCode>{error}</ErrorCode><Message>{message}</Message></AdApiError></Errors>"
    detail = f'<detail><AdApiFaultDetail xmlns="{_FAULTS}"><TrackingId>1</TrackingId>{errors}</AdApiFaultDetail></detail>'
    return 500, _envelope(
        f"<s:Fault><faultcode>s:Server</faultcode><faultstring>Invalid client data.</faultstring>{detail}</s:Fault>"
    )


def partial(name):
    code, error, message = PARTIAL[name]
    inner = f"<Code>{code}</Code><ErrorCode>{error}</ErrorCode><Index>0</Index><Message>{message}</Message>"
    return f"<PartialErrors><BatchError>{inner}</BatchError></PartialErrors>"


def _envelope(inner):
    header = f'<s:Header><TrackingId xmlns="{_SERVICE}">1</TrackingId></s:Header>'
    return f'<s:Envelope xmlns:s="{_NAMES["s"]}">{header}<s:Body>{inner}</s:Body></s:Envelope>'
