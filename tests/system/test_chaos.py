"""A thousand publications while everything breaks (chaos.py), and the ledger of what became of each."""
import unittest

import chaos


REPORT = []  # printed by tests/run.py


class Chaos(unittest.TestCase):
    def withstand(self, publications, faults, **more):
        run = chaos.Run(publications, faults, seed="suite", **more)
        self.addCleanup(run.close)
        run.run()
        ledger, wrong = run.ledger()
        REPORT.append(ledger)
        self.assertEqual(wrong[:20], [], ledger)
        self.assertGreaterEqual(len(run.made), publications)
        self.assertGreaterEqual(run.harm.total(), faults)

    def test_one_gateway(self):
        self.withstand(1000, 50, gateways=1, more=chaos.MORE)

    def test_two_gateways_on_one_postgresql(self):
        self.withstand(300, 20, gateways=2, more=chaos.MORE, store="postgresql")


if __name__ == "__main__":
    unittest.main()
