"""Enough of Google Ads for the SDK, as gRPC services of the SDK's own definitions; and the token endpoint that it asks."""

import json
import threading
from concurrent import futures
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.ads.googleads.v26.errors.types.errors import (
    ErrorDetails,
    GoogleAdsError,
    GoogleAdsFailure,
    QuotaErrorDetails,
)
from google.ads.googleads.v26.services.types import (
    campaign_budget_service,
    campaign_service,
    google_ads_service,
)
from google.rpc import status_pb2

_PACKAGE = "google.ads.googleads.v26.services"
_STATUSES = {2: "ENABLED", 3: "PAUSED"}
_BUDGET = "customers/77/campaignBudgets/9"


#: Under which a failure stands in the trailing metadata, as the real service sends it.
_FAILURE = "google.ads.googleads.v26.errors.googleadsfailure-bin"


class Aborting(NamedTuple):
    """How a call ends, as ``abort_with_status`` wants it."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


def failure(code, message, grpc_code, delay_s=None):
    """A failure of Google Ads."""
    error = GoogleAdsError(error_code=code, message=message)
    if delay_s is not None:
        quota = QuotaErrorDetails(retry_delay=timedelta(seconds=delay_s))
        error.details = ErrorDetails(quota_error_details=quota)
    packed = GoogleAdsFailure.serialize(GoogleAdsFailure(errors=[error]))
    return Aborting(grpc_code, message, ((_FAILURE, packed),))


ERRORS = {
    "expired": lambda: failure(
        {"authentication_error": "OAUTH_TOKEN_EXPIRED"}, "expired", grpc.StatusCode.UNAUTHENTICATED
    ),
    "too_many": lambda: failure(
        {"quota_error": "RESOURCE_TEMPORARILY_EXHAUSTED"}, "slower", grpc.StatusCode.RESOURCE_EXHAUSTED, 180
    ),
    "too_low": lambda: failure(
        {"campaign_budget_error": "BUDGET_BELOW_PER_DAY_MINIMUM"}, "too low", grpc.StatusCode.INVALID_ARGUMENT
    ),
    "refused": lambda: failure(
        {"authorization_error": "USER_PERMISSION_DENIED"}, "no right", grpc.StatusCode.PERMISSION_DENIED
    ),
}


class GoogleServer:
    """TLS on a free port with the certificates of a folder; ``fates`` as ``MetaServer``'s, ``failed`` is a partial failure."""

    def __init__(self, certificates, folder, currency="EUR"):
        self.status, self.budget, self.currency = "ENABLED", 1_000_000_000, currency
        self.least, self.fates, self.writes, self.is_expired = 5_000_000, [], [], False
        self.amount = "total_amount_micros"
        self.developer_token = "developer-token-of-google"  # noqa: S105 - of no real account
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers(
            (
                self._service("GoogleAdsService", "Search", google_ads_service.SearchGoogleAdsRequest, self.search),
                self._service("CampaignService", "MutateCampaigns", campaign_service.MutateCampaignsRequest, self.campaigns),
                self._service(
                    "CampaignBudgetService", "MutateCampaignBudgets", campaign_budget_service.MutateCampaignBudgetsRequest,
                    self.budgets,
                ),
            )
        )  # fmt: skip
        key, chain = certificates
        port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
        self.endpoint = f"localhost:{port}"
        self.given_up = threading.Event()
        self._server.start()
        self._tokens = ThreadingHTTPServer(("127.0.0.1", 0), self._token_handler())
        threading.Thread(target=self._tokens.serve_forever, args=(0.05,), daemon=True).start()
        self.key_file = folder / "service_account.json"
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account",
            "client_email": "apply@example.com",
            "private_key": pem.decode(),
        }
        account |= {
            "token_uri": f"http://127.0.0.1:{self._tokens.server_port}/token",
            "private_key_id": "1",
            "client_id": "1",
        }
        self.key_file.write_text(json.dumps(account))

    def make_daily(self):
        self.amount = "amount_micros"

    def stop(self):
        self._server.stop(None)
        self._tokens.shutdown()
        self._tokens.server_close()

    def search(self, request, context):
        self._check(context)
        answer = google_ads_service.SearchGoogleAdsResponse()
        if (
            self.status is not None
            and request.query.endswith("campaign.id = 4242")
            and request.customer_id == "77"
        ):
            row = google_ads_service.GoogleAdsRow()
            row.campaign.status = self.status
            row.campaign_budget.resource_name = _BUDGET
            row.campaign_budget.period = "DAILY" if self.amount == "amount_micros" else "CUSTOM_PERIOD"
            setattr(row.campaign_budget, self.amount, self.budget)
            row.customer.currency_code = self.currency
            answer.results.append(row)
        return answer

    def campaigns(self, request, context):
        (operation,) = request.operations
        assert operation.update.resource_name == "customers/77/campaigns/4242"
        assert list(operation.update_mask.paths) == ["resource_name", "status"]
        return self._write(
            context,
            {"status": _STATUSES[int(operation.update.status)]},
            campaign_service.MutateCampaignsResponse,
        )

    def budgets(self, request, context):
        (operation,) = request.operations
        assert operation.update.resource_name == _BUDGET
        assert list(operation.update_mask.paths) == ["resource_name", self.amount]
        amount = getattr(operation.update, self.amount)
        if amount < self.least:
            self.fates.insert(0, "too_low")
        return self._write(context, {"budget": amount}, campaign_budget_service.MutateCampaignBudgetsResponse)

    def _write(self, context, values, answer):
        self._check(context)
        fate = self.fates.pop(0) if self.fates else "done"
        if fate in ERRORS:
            context.abort_with_status(ERRORS[fate]())
        if fate == "failed":
            return answer(partial_failure_error=status_pb2.Status(code=3, message="a part failed"))
        self.writes.append(values)
        self.status, self.budget = values.get("status", self.status), values.get("budget", self.budget)
        if fate == "unanswered":
            context.add_callback(self.given_up.set)
            self.given_up.wait(60)
        return answer()

    def _check(self, context):
        metadata = dict(context.invocation_metadata())
        assert metadata["developer-token"] == self.developer_token
        assert metadata["authorization"] == "Bearer token-of-google"
        if self.is_expired:
            context.abort_with_status(ERRORS["expired"]())

    @staticmethod
    def _service(name, method, request, answer):
        handler = grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request.deserialize,
            response_serializer=lambda found: type(found).serialize(found),
        )
        return grpc.method_handlers_generic_handler(f"{_PACKAGE}.{name}", {method: handler})

    @staticmethod
    def _token_handler():
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                """Tests are quiet."""

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                payload = json.dumps(
                    {"access_token": "token-of-google", "expires_in": 3600, "token_type": "Bearer"}
                ).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

        return Handler
