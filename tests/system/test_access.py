"""Who asks, and what they may do: the door of the gateway, with tokens and without."""
import unittest

import support


class Closed(support.Stand):
    """Without access.anonymous nobody gets in who does not say who they are."""
    gateway_overrides = {"access": {"anonymous": False}}

    def test_nobody(self):
        answer = self.assertStatus(self.gateway.find(), 401)
        self.assertEqual(answer.json()["issue"][0]["code"], "login")
        challenge = answer.header("WWW-Authenticate")
        self.assertTrue(challenge.startswith('Bearer realm="default"'), challenge)
        self.assertNotIn("error=", challenge)
        origin = self.gateway.base[:-len("/fhir")]
        self.assertIn('resource_metadata="%s/.well-known/oauth-protected-resource/fhir"' % origin, challenge)

    def test_the_log_says_what_was_refused(self):
        self.assertStatus(self.gateway.find(), 401)
        support.wait_until(lambda: any('"status":401' in line and '"what":"FIND_REFERENCES"' in line
                                       for line in self.gateway.log().split("\n")), "the line of the refused request")

    def test_what_the_gateway_can_do_is_no_secret(self):
        self.assertStatus(support.request("GET", self.gateway.base + "/metadata"), 200)

    def test_two_credentials(self):
        for url in (self.gateway.base + "/DocumentReference?access_token=abc",):
            answer = self.assertStatus(support.request("GET", url, {"Authorization": "Bearer abc"}), 400)
            self.assertEqual(answer.json()["issue"][0]["code"], "security")
            self.assertIn('error="invalid_request"', answer.header("WWW-Authenticate"))

    def test_every_role_has_a_token(self):
        bundle = support.demo_bundle(support.demo_letter())
        self.assertStatus(self.gateway.publish(bundle, token=self.gateway.token("system")), 200)
        patient = "urn:oid:%s|%s" % (support.AUTHORITY, support.PATIENT)
        for role, options in (("doctor", {}), ("nurse", {}), ("patient", {"patient": patient}), ("system", {})):
            with self.subTest(role=role):
                self.assertStatus(self.gateway.find(token=self.gateway.token(role, **options)), 200)
        nurse = self.assertStatus(self.gateway.publish(bundle, token=self.gateway.token("nurse")), 403)
        self.assertEqual(nurse.json()["issue"][0]["code"], "forbidden")
        self.assertIn('error="insufficient_scope"', nurse.header("WWW-Authenticate"))
        self.assertIn('scope="ITI-65"', nurse.header("WWW-Authenticate"))

    def test_a_token_is_no_token_elsewhere(self):
        """Another tenant's token, another base's, one for another key: nobody learns which it was."""
        other = self.gateway.token("doctor", tenant="elsewhere")
        for token in (other, other[:-8] + "AAAAAAAA", "abc", "e30.e30.e30"):
            answer = self.assertStatus(self.gateway.find(token=token), 401)
            self.assertIn('error="invalid_token"', answer.header("WWW-Authenticate"))


if __name__ == "__main__":
    unittest.main()
