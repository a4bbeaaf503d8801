from sync_pipeline.demo import recorded_store


class TestRecordedStore:
    def test_given_two_stores_when_one_is_changed_then_the_other_is_not(self):
        one, other = recorded_store(), recorded_store()

        one.delete_customer(3)
        one.edit_customer(4, billing={"city": "Elsewhere"})
        one.customer(5)["billing"]["city"] = "Nowhere"

        assert other.customer(3)["email"] == "cust1@example.test"
        assert other.customer(4)["billing"]["city"] == "New York"
        assert one.customer(4)["billing"]["first_name"] == "Zoë"
        assert one.customer(5)["billing"]["city"] != "Nowhere"

    def test_given_an_edit_when_made_then_it_lies_after_every_recorded_change(self):
        store = recorded_store()
        newest = max(store.order(i)["date_modified_gmt"] for i in store.orders.matching([]))

        store.edit_order(313, status="completed")
        first = store.order(313)["date_modified_gmt"]
        store.edit_order(313, status="processing")

        assert newest < first < store.order(313)["date_modified_gmt"]

    def test_given_a_change_woocommerce_misses_when_made_then_date_modified_stays(self):
        store = recorded_store()
        before = store.customer(9)

        store.edit_customer(9, bump=False, role="subscriber")

        after = store.customer(9)
        assert after["role"] == "subscriber"
        assert after["date_modified_gmt"] == before["date_modified_gmt"]
