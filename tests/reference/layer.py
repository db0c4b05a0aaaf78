"""Layers by autograd alone: a layer says what y = T(x) and x = T⁻¹(y) are; log-dets, scores and derivatives follow from dense
Jacobians. θ is a dictionary of tensors by the names of docs/WEIGHTS.md; samples have shape [batch, degrees of freedom]."""

import torch


def jacobian(y, x):
    """J[b, i, j] = ∂y_bi/∂x_bj of a map of single samples; can be differentiated again."""
    rows = [torch.autograd.grad(y[:, i].sum(), x, create_graph=True, materialize_grads=True)[0] for i in range(y.shape[1])]
    return torch.stack(rows, 1)


def gradient(values, x):
    """∂(Σ_b values_b)/∂x, as numbers."""
    if not values.requires_grad:  # a constant log-det
        return torch.zeros_like(x)
    return torch.autograd.grad(values.sum(), x, retain_graph=True, materialize_grads=True)[0].detach()


def leaf(x):
    """The numbers x, with respect to which there will be derivatives."""
    return x.detach().clone().requires_grad_()


class Layer:
    """A bijection. `prefix` is `layers.{l}.`."""

    prefix = ""

    def shapes(self):
        """Shapes of the tensors of the layer, by their names behind the prefix."""
        return {}

    def map(self, theta, x):
        """T(x)."""
        raise NotImplementedError

    def solve(self, theta, y):
        """T⁻¹(y) as numbers, without derivatives."""
        raise NotImplementedError

    def log_det(self, theta, x):
        """log|det J| by a formula of docs/WEIGHTS.md, where it gives one: compared with the dense determinant."""
        return None

    def tensor(self, theta, name):
        return theta[self.prefix + name]

    def forward(self, theta, x):
        """T(x) and log|det J|."""
        x = x if x.requires_grad else leaf(x)
        y = self.map(theta, x)
        log_det = torch.linalg.slogdet(jacobian(y, x)).logabsdet
        formula = self.log_det(theta, x)
        assert formula is None or torch.allclose(formula, log_det, rtol=1e-11, atol=1e-11), type(self).__name__
        return y, log_det

    def inverse(self, theta, y):
        """T⁻¹(y) and its log|det|, the first derivatives of both by the implicit function theorem."""
        x = leaf(self.solve(theta, y.detach()))
        y_of_x = self.map(theta, x)
        wrong = y - y_of_x
        turns = torch.round(wrong.detach() / (2 * torch.pi)) * (2 * torch.pi)
        assert min(abs(wrong).max(), abs(wrong - turns).max()) < 1e-11, type(self).__name__
        derivative = torch.linalg.inv(jacobian(y_of_x, x)).detach()
        x = x + (derivative @ (wrong - wrong.detach())[:, :, None])[:, :, 0]
        return x, -torch.linalg.slogdet(jacobian(self.map(theta, x), x)).logabsdet

    def push(self, theta, x, score):
        """T(x), log|det J| and MATH (1), the score of what comes out: s' = J⁻ᵀ (s − ∇ log|det J|); numbers."""
        x = leaf(x)
        y, log_det = self.forward(theta, x)
        transposed = jacobian(y, x).detach().mT
        score = torch.linalg.solve(transposed, score - gradient(log_det, x))
        return y.detach(), log_det.detach(), score.detach()

    def inverted(self):
        return Inverse(self)


class Inverse(Layer):
    """T⁻¹ of a layer, over the tensors of that layer."""

    def __init__(self, layer):
        self.layer = layer

    def shapes(self):
        return self.layer.shapes()

    def forward(self, theta, x):
        return self.layer.inverse(theta, x if x.requires_grad else leaf(x))

    def inverted(self):
        return self.layer


class Chain:
    """Layers, one after the other."""

    def __init__(self, layers):
        self.layers = layers

    def forward(self, theta, x):
        log_det = torch.zeros(len(x), dtype=x.dtype)
        for layer in self.layers:
            x, of_layer = layer.forward(theta, x)
            log_det = log_det + of_layer
        return x, log_det

    def push(self, theta, x, score):
        log_det = torch.zeros(len(x), dtype=x.dtype)
        for layer in self.layers:
            x, of_layer, score = layer.push(theta, x, score)
            log_det = log_det + of_layer
        return x, log_det, score

    def inverted(self):
        return Chain([layer.inverted() for layer in reversed(self.layers)])


class Flow:
    """A base and layers, whose tensors get their names."""

    def __init__(self, base, layers):
        self.base, self.layers, self.chain = base, layers, Chain(layers)
        for number, layer in enumerate(layers):
            while layer is not None:
                layer.prefix = f"layers.{number}."
                layer = getattr(layer, "layer", None)

    def shapes(self):
        shapes = {"base." + name: shape for name, shape in self.base.shapes().items()}
        for layer in self.layers:
            shapes |= {layer.prefix + name: shape for name, shape in layer.shapes().items()}
        return shapes
