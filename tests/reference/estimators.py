"""The estimators of docs/MATH.md, each as the gradient of a surrogate whose other parts are held fixed; means over the batch."""

import torch

from layer import gradient, leaf


def dot(a, b):
    return (a.detach() * b).sum(1).mean()


class Problem:
    """A flow, its tensors, and the action of the target."""

    def __init__(self, flow, theta, action):
        self.base, self.theta, self.action = flow.base, theta, action
        self.map, self.inverse = flow.chain, flow.chain.inverted()

    # The scores of the densities.

    def score_of_base(self, z):
        z = leaf(z)
        return gradient(self.base.log_density(self.theta, z), z)

    def force(self, x):
        x = leaf(x)
        return -gradient(self.action(x), x)

    def pushed_to_x(self, z):
        """x = T(z), log|det|, and the score of q at x, pushed alongside by MATH (1)."""
        return self.map.push(self.theta, z, self.score_of_base(z))

    def pushed_to_z(self, x):
        """z = T⁻¹(x), log|det| of T⁻¹, and at z the score of the density of T⁻¹(x), x ~ p."""
        return self.inverse.push(self.theta, x, self.force(x))

    def through_inverse(self, x):
        """log q(x) = log q₀(T⁻¹(x)) + log|det| of T⁻¹, and its gradient by autograd."""
        x = leaf(x)
        z, log_det = self.inverse.forward(self.theta, x)
        log_q = self.base.log_density(self.theta, z) + log_det
        return z.detach(), gradient(log_q, x)

    # What is differentiated.

    def x_of(self, z):
        """T(z), with z made of the parameters of the base."""
        return self.map.forward(self.theta, self.base.remade(self.theta, z))[0]

    def reparam(self, z):
        z = self.base.remade(self.theta, z)
        x, log_det = self.map.forward(self.theta, z)
        return (self.base.log_density(self.theta, z) - log_det + self.action(x)).mean()

    def reverse_path_fast(self, z):
        x, _, score = self.pushed_to_x(z)
        return dot(score - self.force(x), self.x_of(z))

    def path_two_pass(self, z):
        x = self.map.forward(self.theta, z)[0].detach()
        _, score = self.through_inverse(x)
        return dot(score - self.force(x), self.x_of(z))

    def max_likelihood(self, x):
        z, log_det = self.inverse.forward(self.theta, x)
        return -(self.base.log_density(self.theta, z) + log_det).mean()

    def forward_path_fast(self, x):
        z, _, score = self.pushed_to_z(x)
        a = score - self.score_of_base(z)
        return dot(a, self.inverse.forward(self.theta, x)[0]) - dot(a, self.base.remade(self.theta, z))

    def gdreg(self, x):
        z, score = self.through_inverse(x)
        return dot(score - self.force(x), self.x_of(z))

    # All of it.

    def gradients(self, name, surrogate):
        """The gradient of a surrogate with respect to every tensor."""
        tensors = list(self.theta.values())
        found = torch.autograd.grad(surrogate, tensors, materialize_grads=True)
        return {f"grad.{name}.{tensor}": values for tensor, values in zip(self.theta, found)}

    def reverse(self, z):
        """What a batch of base samples gives."""
        x, log_det, score = self.pushed_to_x(z)
        log_q = self.base.log_density(self.theta, z).detach() - log_det
        return {
            "x": x, "log_q": log_q, "score": score, "action": self.action(x),
            "log_det": log_det, "log_weight": -self.action(x) - log_q, "loss": (log_q + self.action(x)).mean(),
        } | self.gradients("reparam.reverse", self.reparam(z)) \
          | self.gradients("path-fast.reverse", self.reverse_path_fast(z)) \
          | self.gradients("path-two-pass.reverse", self.path_two_pass(z))  # fmt: skip

    def forward(self, x):
        """What a batch of data gives; `score` is that of the density of T⁻¹(x), x ~ p, at z."""
        z, log_det, score = self.pushed_to_z(x)
        log_q = self.base.log_density(self.theta, z).detach() + log_det
        values = {
            "z": z, "log_q": log_q, "score": score, "log_det": log_det,
            "log_weight": -self.action(x) - log_q, "loss": -log_q.mean(),
        }  # fmt: skip
        return {f"{name}_of_x_data": value for name, value in values.items()} \
            | self.gradients("max-likelihood.forward", self.max_likelihood(x)) \
            | self.gradients("path-fast.forward", self.forward_path_fast(x)) \
            | self.gradients("gdreg.forward", self.gdreg(x))  # fmt: skip
