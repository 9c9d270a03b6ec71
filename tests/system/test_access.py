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

    def test_what_the_gateway_can_do_is_no_secret(self):
        self.assertStatus(support.request("GET", self.gateway.base + "/metadata"), 200)

    def test_two_credentials(self):
        for url in (self.gateway.base + "/DocumentReference?access_token=abc",):
            answer = self.assertStatus(support.request("GET", url, {"Authorization": "Bearer abc"}), 400)
            self.assertEqual(answer.json()["issue"][0]["code"], "security")
            self.assertIn('error="invalid_request"', answer.header("WWW-Authenticate"))


if __name__ == "__main__":
    unittest.main()
