import json
import time
from email.utils import parsedate_to_datetime

import pytest
import requests

from sync_pipeline.demo import Fault
from sync_pipeline.demo.faults import faults_from_json
from sync_pipeline.errors import InputError


class TestWhichRequestsAreStruck:
    def test_given_nth_and_times_when_asked_then_just_those_are_struck(self, server, client):
        server.faults = [Fault("server_error", path="/customers$", nth=2, times=2)]

        statuses = [client.get("customers").status_code for _ in range(5)]

        assert statuses == [200, 500, 500, 200, 200]

    def test_given_a_path_and_a_query_when_others_are_asked_then_they_are_answered(
        self, server, client
    ):
        server.faults = [Fault("server_error", path="/orders$", query={"page": "2"})]

        assert client.get("customers", page=2).ok
        assert client.get("orders", page=1).ok
        assert client.get("orders", page=2).status_code == 500

    def test_given_a_ceiling_when_fewer_records_are_asked_for_then_they_come(self, server, client):
        server.faults = [Fault("server_error_html", per_page_above=50, status=504)]

        assert client.get("customers", per_page=100).status_code == 504
        assert len(client.get("customers", per_page=50).json()) == 50

    def test_given_new_faults_when_set_then_counting_starts_anew(self, server, client):
        fault = Fault("server_error", times=1)
        server.faults = [fault]
        client.get("customers")

        server.faults = [fault]

        assert client.get("customers").status_code == 500
        assert [entry.faults for entry in server.requests] == [("server_error",)] * 2


class TestBrokenAnswers:
    def test_given_a_rate_limit_when_struck_then_retry_after_is_in_seconds(self, server, client):
        server.faults = [Fault("rate_limited", retry_after_seconds=2)]

        response = client.get("customers")

        assert (response.status_code, response.headers["Retry-After"]) == (429, "2")

    def test_given_maintenance_when_struck_then_retry_after_may_be_a_date(self, server, client):
        server.faults = [Fault("unavailable", retry_after_seconds=90, retry_after_as_date=True)]

        response = client.get("customers")

        assert (response.status_code, response.json()["code"]) == (503, "wp_die")
        until = parsedate_to_datetime(response.headers["Retry-After"]).timestamp()
        assert 80 < until - time.time() <= 91

    def test_given_no_retry_after_when_struck_then_there_is_no_such_header(self, server, client):
        server.faults = [Fault("unavailable")]

        assert "Retry-After" not in client.get("customers").headers

    def test_given_server_errors_when_struck_then_they_are_json_or_html(self, server, client):
        server.faults = [Fault("server_error", times=1), Fault("database_down", nth=2, times=1)]
        by_json = client.get("customers"), client.get("customers")
        server.faults = [Fault("server_error_html", status=502)]
        by_html = client.get("customers")

        assert [r.json()["code"] for r in by_json] == ["internal_server_error", "wp_die"]
        assert by_html.status_code == 502
        assert by_html.headers["Content-Type"].startswith("text/html")
        assert "502 Bad Gateway" in by_html.text

    def test_given_the_plugin_off_when_struck_then_there_is_no_route(self, server, client):
        server.faults = [Fault("no_route")]

        assert client.get("customers").json()["code"] == "rest_no_route"

    def test_given_a_firewall_when_struck_then_a_captcha_comes_with_202(self, server, client):
        server.faults = [Fault("captcha")]

        response = client.get("customers")

        assert response.status_code == 202
        assert "captcha" in response.text

    def test_given_noise_when_struck_then_the_json_comes_after_it(self, server, client):
        server.faults = [Fault("php_warning", times=1), Fault("bom", nth=2, times=1)]

        warned, marked = client.get("customers", _fields="id"), client.get("customers")

        assert warned.text.startswith("<br />\n<b>Warning</b>")
        assert warned.text.index("[{") > 0
        assert warned.status_code == 200
        assert marked.content.startswith(b"\xef\xbb\xbf[")

    def test_given_cut_json_when_struck_then_the_answer_is_whole_but_no_json(self, server, client):
        server.faults = [Fault("cut_json")]

        response = client.get("customers")

        assert response.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(response.text)


class TestConnection:
    def test_given_a_cut_before_the_answer_when_struck_then_nothing_comes(self, server, client):
        server.faults = [Fault("cut_connection", times=1)]

        with pytest.raises(requests.ConnectionError):
            client.get("customers")
        assert client.get("customers").ok
        assert [entry.status for entry in server.requests] == [0, 200]

    def test_given_a_cut_in_the_body_when_struck_then_the_client_notices(self, server, client):
        server.faults = [Fault("cut_connection", after_bytes=100)]

        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            client.get("customers")

    def test_given_a_hanging_store_when_asked_then_the_client_times_out(self, server, client):
        server.faults = [Fault("hang", seconds=30)]

        with pytest.raises(requests.ReadTimeout):
            client.get("customers", wait=0.2)
        assert [entry.status for entry in server.requests] == [0]
        # The fixture stops the server at once: whoever hangs is let go.

    def test_given_a_slow_page_when_asked_then_it_comes_late(self, server, client):
        server.faults = [Fault("slow", seconds=0.3, times=1)]

        started = time.monotonic()
        response = client.get("customers")

        assert response.ok
        assert time.monotonic() - started >= 0.3


class TestPoisonRecord:
    def test_given_a_poison_record_when_pages_are_halved_then_it_is_found_alone(
        self, server, client
    ):
        server.faults = [Fault("poison", path="/customers", record_id=77)]

        def bad(offset, limit):
            by_id = {"orderby": "id", "order": "asc", "_fields": "id,email"}
            response = client.get("customers", offset=offset, per_page=limit, **by_id)
            if response.ok:
                return []
            half = limit // 2
            return [offset] if limit == 1 else bad(offset, half) + bad(offset + half, limit - half)

        assert bad(0, 100) == [75]
        assert client.ids("customers", offset=75, per_page=1, orderby="id", order="asc") == [77]
        assert client.get("customers/77").status_code == 500
        assert client.get("customers", include="76,77").status_code == 500


class TestChangingStore:
    def test_given_a_delete_between_pages_when_paging_then_the_total_falls(self, server, client):
        server.faults = [Fault("delete_customer", nth=2, times=1, record_id=5)]

        totals = [client.total("customers", page=page) for page in (1, 2, 3)]

        assert totals == [250, 249, 249]

    def test_given_a_change_of_ones_own_when_struck_then_the_answer_shows_it(self, server, client):
        def rename(store):
            store.edit_customer(9, first_name="Later")

        server.faults = [Fault("change", change=rename)]

        assert client.get("customers/9").json()["first_name"] == "Later"


class TestFromJson:
    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ({}, "array"),
            ([{"action": "explode"}], "needs an action"),
            ([{"action": "slow", "secs": 1}], "'secs'"),
            ([{"action": "slow", "seconds": "1"}], "'seconds'"),
            ([{"action": "slow", "path": "("}], "regular expression"),
            ([{"action": "change"}], "own process"),
        ],
    )
    def test_given_bad_faults_when_read_then_what_is_wrong_is_told(self, value, told):
        with pytest.raises(InputError, match=told):
            faults_from_json(value)

    def test_given_good_faults_when_read_then_they_are_as_written(self):
        assert faults_from_json([{"action": "hang", "seconds": 3, "times": 2}]) == [
            Fault("hang", seconds=3, times=2)
        ]


class TestControlPaths:
    def test_given_faults_by_http_when_posted_then_they_strike_until_deleted(self, server, client):
        url = f"{server.url}/__demo__/faults"

        posted = requests.post(url, json=[{"action": "no_route"}], timeout=60)
        struck = client.get("customers").status_code
        requests.delete(url, timeout=60)

        assert posted.json() == {"faults": 1}
        assert (struck, client.get("customers").status_code) == (404, 200)

    def test_given_bad_faults_by_http_when_posted_then_400_tells_why(self, server):
        response = requests.post(f"{server.url}/__demo__/faults", data="[{]", timeout=60)

        assert response.status_code == 400
        assert "not JSON" in response.json()["error"]

    def test_given_requests_when_read_by_http_then_they_are_counted_until_deleted(
        self, server, client
    ):
        client.get("customers", per_page=3)
        url = f"{server.url}/__demo__/requests"

        (entry,) = requests.get(url, timeout=60).json()
        requests.delete(url, timeout=60)

        assert entry["path"] == "/wp-json/wc/v3/customers"
        assert (entry["query"], entry["status"]) == ({"per_page": "3"}, 200)
        assert entry["elapsed_seconds"] > 0
        assert server.requests == ()

    def test_given_a_change_by_http_when_posted_then_the_store_shows_it(self, server, client):
        url = f"{server.url}/__demo__/store"

        requests.post(url, json={"do": "delete_customer", "id": 5}, timeout=60)
        unknown = requests.post(url, json={"do": "delete_customer", "id": 5}, timeout=60)

        assert client.get("customers/5").status_code == 404
        assert unknown.status_code == 400
