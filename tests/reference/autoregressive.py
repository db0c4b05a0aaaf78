"""Autoregressive layers, docs/WEIGHTS.md "Autoregressive layers"."""

import torch

from layer import Layer
from nets import MaskedMlp


class Autoregressive(Layer):
    def __init__(self, order, hidden, transform, **options):
        self.order, self.transform = order, transform
        self.net = MaskedMlp(len(order), hidden, transform.width, **options)

    def shapes(self):
        return self.net.shapes()

    def phi(self, theta, x):
        """Parameters of every position: [batch, positions, w]."""
        outputs = self.net(lambda name: self.tensor(theta, name), x)
        return outputs.reshape(len(x), len(self.order), self.transform.width)

    def by_index(self, x):
        """From positions to flat indices."""
        return x[:, torch.argsort(torch.tensor(self.order))]

    def map(self, theta, x):
        x = x[:, self.order]
        return self.by_index(self.transform(x, self.phi(theta, x))[0])

    def log_det(self, theta, x):
        x = x[:, self.order]
        return self.transform(x, self.phi(theta, x))[1].sum(1)

    def solve(self, theta, y):
        y = y[:, self.order]
        x = torch.zeros_like(y)
        with torch.no_grad():
            for p in range(len(self.order)):
                x[:, p] = self.transform.inverse(y[:, p], self.phi(theta, x)[:, p])
        return self.by_index(x)
