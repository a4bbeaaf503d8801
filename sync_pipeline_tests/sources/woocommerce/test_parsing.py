"""JSON is found behind noise, and nothing else is taken for it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_pipeline.sources.woocommerce.parsing import parse_json
from sync_pipeline_tests.sources.scripted_store import RECORDED

PHP_WARNINGS = (
    "<br />\n<b>Warning</b>:  Undefined array key [0] in <b>/var/www/x/wp-content/p.php</b> on "
    "line <b>12</b><br />\n"
)


class TestParseJson:
    def test_given_the_recorded_php_warning_when_parsed_then_the_records_and_the_noise_come(self):
        parsed = parse_json(RECORDED["errors/provoked_warning"]["body"].encode())

        assert parsed.value == [{"id": 258}]
        assert parsed.noise == 'Warning : Undefined array key "nope" in …/local.php on line 12'

    @pytest.mark.parametrize(
        ("body", "noise"),
        [
            (b'[{"id":1}]', None),
            (b'\xef\xbb\xbf[{"id":1}]', "byte order mark before the JSON"),
            (b'\r\n\r\n[{"id":1}]\n', "blank lines before the JSON"),
            (b'[{"id":1}]<br />\n<b>Deprecated</b>: x<br />', "Deprecated : x"),
        ],
    )
    def test_given_noise_around_json_when_parsed_then_it_is_told(self, body, noise):
        parsed = parse_json(body)

        assert (parsed.value, parsed.noise) == ([{"id": 1}], noise)

    def test_given_many_warnings_with_brackets_when_parsed_then_the_json_is_found(self):
        parsed = parse_json((PHP_WARNINGS * 20 + '[{"id":1}]').encode())

        assert parsed.value == [{"id": 1}]
        assert len(parsed.noise) <= 200
        assert "/var/www" not in parsed.noise

    @settings(deadline=None)
    @given(st.data())
    def test_given_json_cut_anywhere_when_parsed_then_it_is_refused(self, data):
        text = json.dumps([{"id": 1, "meta": [{"a": "b]"}]}, {"id": 2, "x": None}])
        end = data.draw(st.integers(1, len(text) - 1))

        with pytest.raises(ValueError, match=r"."):
            parse_json((PHP_WARNINGS + text[:end]).encode())
        with pytest.raises(ValueError, match=r"."):
            parse_json(text[:end].encode())
