"""The whole gateway while its Redis is emptied, stopped or gone: correct, and never more permissive."""
import signal
import unittest

import support
import trust

PATIENT = "IHEBLUE-1007"


class RedisAway(trust.TrustStand):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundles = [support.demo_bundle(b"letter %d" % number, "text/plain", patient=PATIENT) for number in (1, 2)]

    def check(self, hidden, shown):
        """By an alias too, so that consent and cross-references are both asked."""
        self.assertEqual(self.found(self.doctor, patient=PATIENT), shown)
        self.assertEqual(self.found(self.doctor, patient="IHERED-1007", system="urn:oid:" + trust.RED), shown)
        self.assertEqual(self.found(self.patient(PATIENT), patient=PATIENT), hidden | shown)

    def test_116_119_all_the_time(self):
        for bundle in self.bundles:
            self.publish(self.doctor, bundle)
        first, second = ({support.document_oid(bundle)} for bundle in self.bundles)
        self.check(set(), first | second)
        hiding = self.consent(trust.hide_document(*first), PATIENT)
        self.check(first, second)
        self.redis.cli("flushall")
        self.check(first, second)
        self.redis.process.send_signal(signal.SIGSTOP)
        self.check(first, second)
        # Changes are in force when they are answered, also while no gateway can be rung.
        self.revoke(hiding, PATIENT)
        self.check(set(), first | second)
        hiding = self.consent(trust.hide_document(*second), PATIENT)
        self.check(second, first)
        self.redis.process.send_signal(signal.SIGCONT)
        self.check(second, first)
        self.redis.process.kill()
        self.redis.process.wait()
        self.check(second, first)
        self.revoke(hiding, PATIENT)
        self.check(set(), first | second)


if __name__ == "__main__":
    unittest.main()
