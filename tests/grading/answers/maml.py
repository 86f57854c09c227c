"""Answers to the exercises on MAML: mistakes, which must earn nothing, and other right ways, which must not lose."""

WRONG = {
    "multi_step_loss": {
        "support loss outside": {"(query_x,)), query_y)": "(x,)), y)"},
        "adapts to the query set": {"now, x, y,": "now, query_x, query_y,"},
        "a step before the first loss": {"k > 0": "k >= 0"},
        "the sum over tasks": {" / episode.tasks": ""},
        "weights made to sum to one": {"weight * loss": "weight / sum(weights) * loss"},
        "first order": {"steps=1": "steps=1, first_order=True"},
        "each task starts where the last one ended": {"now = params": "", "total = 0.0": "total, now = 0.0, params"},
        "the model's own values": {"now = params": "now = dict(model.named_parameters())"},
        "steps in place": {"now = adapt": "now |= adapt"},
        "a loss of its own": {"loss=loss": "loss=F.mse_loss", "weight * loss": "weight * F.mse_loss"},
    },
    "best_start": {
        "the chapter's formula, for equal bowls": {"M @ B @ M": "M @ A @ M", "M @ B @ wanted": "M @ A @ M @ c"},
        "weights of the query bowls, minima of the query bowls": {"wanted.unsqueeze": "M @ e.unsqueeze"},
        "first-order weights": {"M @ B @ M": "B @ M", "M @ B @ wanted": "B @ wanted"},
        "order of the factors": {"M @ B @ M": "B @ M @ M", "M @ B @ wanted": "B @ M @ wanted"},
        "steps times one step": {"torch.linalg.matrix_power(identity - lr * A, steps)": "identity - lr * steps * A"},
        "powers of the entries": {"torch.linalg.matrix_power": "torch.pow"},
        "the mean of each task's best start": {
            "solve(left, right)": "lstsq(M, wanted.unsqueeze(-1)).solution.squeeze(-1).mean(0)"
        },
        "sign of the support minimum": {"e - c + (": "e + c - ("},
    },
    "dropped_terms": {
        "all Hessians at the start": {"@ v)(point)": "@ v)(theta)"},
        "Hessians one step too late": {"points[:-1]": "points[1:]"},
        "first step first": {"reversed(points[:-1])": "points[:-1]", "terms[::-1]": "terms"},
        "the vector is not carried back": {"v - term": "v"},
        "without the rate": {"append(term)": "append(term / lr)"},
        "Hessian of the query loss": {"grad(support_loss)(t)": "grad(query_loss)(t)"},
        "query gradient at the start": {"grad(query_loss)(points[-1])": "grad(query_loss)(theta)"},
        "rows in the order of the way back": {"terms[::-1]": "terms"},
        "plus instead of minus on the way back": {"v - term": "v + term"},
        "walks in place": {
            "[theta]": "[theta.clone()]",
            "points[-1] - lr * grad(support_loss)(points[-1])": "theta.sub_(lr * grad(support_loss)(theta)).clone()",
        },
    },
    "is_gradient": {
        "everybody passes": {"h = 1e-5": "return True"},
        "nobody passes": {"h = 1e-5": "return False"},
        "along the gradient only": {
            "torch.eye(len(theta), dtype=theta.dtype)": "[gradient / gradient.norm()]",
            "(gradient - slopes).norm()": "abs(gradient.norm() - slopes)",
        },
        "the first entries only": {"in directions": "in directions[:8]", "gradient - slopes": "gradient[:8] - slopes"},
        "the direction only": {
            "(gradient - slopes).norm() < 1e-5 * slopes.norm()": "F.cosine_similarity(slopes, gradient, 0) > 1 - 1e-8"
        },
        "the length only": {"(gradient - slopes).norm() < 1e-5": "abs(gradient.norm() - slopes.norm()) < 1e-6"},
        "too generous": {
            "bool((gradient - slopes).norm() < 1e-5 * slopes.norm())": "torch.allclose(gradient, slopes, 1e-2, 1e-2)"
        },
        "steps too small": {"h = 1e-5": "h = 1e-14", "< 1e-5": "< 1e-4"},
        "steps too large": {"h = 1e-5": "h = 0.3", "< 1e-5": "< 1e-4"},
        "h instead of 2h": {"2 * h": "h"},
        "nan slips through": {"gradient - slopes": "torch.nan_to_num(gradient - slopes)"},
        "an absolute tolerance": {"1e-5 * slopes.norm()": "1e-4"},
        "a tolerance that is absolute for short gradients": {"1e-5 * slopes.norm()": "1e-5 * (1 + slopes.norm())"},
        "not greater, so that nan passes": {"return bool": "return not bool", ".norm() <": ".norm() >"},
    },
    "meta_sgd_gradient": {
        "first order": {"slopes[name]": "slopes[name].detach()"},
        "the sum over tasks": {"total / episode.tasks": "total"},
        "support loss outside": {"(query_x,)), query_y)": "(x,)), y)"},
        "the formula of one step for all steps": """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total, by_rates = 0.0, {n: torch.zeros_like(r) for n, r in rates.items()}
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for k in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n][k] * slopes[n] for n, p in now.items()}
        outer = grad(lambda p: loss(functional_call(model, p, (qx,)), qy))(now)
        first = grad(lambda p: loss(functional_call(model, p, (x,)), y))(params)
        by_rates = {n: r - outer[n] * first[n] / episode.tasks for n, r in by_rates.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    return total, dict(zip(params, torch.autograd.grad(total, list(params.values())))), by_rates
""",
        "one rate for each tensor": {"rates[name][k]": "rates[name][k].mean()"},
        "the two results exchanged": {"*params.values(), *rates.values()": "*rates.values(), *params.values()"},
        "sizes of the rates only": {"rates[name][k]": "rates[name][k].abs()"},
        "slopes always at the start": {"y))(now)": "y))(params)"},
        "each task starts where the last one ended": {"now = params": "", "total = 0.0": "total, now = 0.0, params"},
        "leaves its derivatives in the arguments": {
            "derivatives =": "value.backward(retain_graph=True)\n    derivatives ="
        },
        "rates by their place, not by name": {"total = 0.0": "total, rates = 0.0, dict(zip(params, rates.values()))"},
        "one rate for all": {"rates[name][k]": "torch.cat([rate[k].flatten() for rate in rates.values()]).mean()"},
        "derivatives by the rates under the names in the order of params": {"zip(rates,": "zip(params,"},
        "the rates of the first step in every step": {"rates[name][k]": "rates[name][0]"},
        "the rates of the steps in reverse order": {"rates[name][k]": "rates[name][-1 - k]"},
    },
    "implicit_gradient": {
        "the query gradient itself": {"b = grad": "return grad"},
        "multiplied, not solved": {"v, r, p =": "return left(b)\n    v, r, p ="},
        "first term of the series": {"v, r, p =": "return 2 * b - left(b)\n    v, r, p ="},
        "times the strength": {"/ strength": "* strength"},
        "the factor of the right-hand side forgotten": {"return v + ": "return strength * v + ", " / strength": ""},
        "Hessian of the query loss": {"grad(support_loss)(t)": "grad(query_loss)(t)"},
        "gradient of the support loss": {"b = grad(query_loss)": "b = grad(support_loss)"},
        "five rounds of conjugate gradients": {"10 * len(b)": "5"},
        "twenty terms of Neumann's series": {
            "10 * len(b)": "21",
            "(r @ r) / (p @ step)": "1",
            "new + (new @ new) / (r @ r) * p": "new",
        },
        "the diagonal of the Hessian": """
def implicit_gradient(support_loss, query_loss, phi, strength):
    return grad(query_loss)(phi) / (1 + torch.func.hessian(support_loss)(phi).diag() / strength)
""",
        "a thousand steps of steepest descent": {"10 * len(b)": "1000", "new + (new @ new) / (r @ r) * p": "new"},
        "SciPy's conjugate gradients with its own stop": """
from scipy.sparse.linalg import LinearOperator, cg

def implicit_gradient(support_loss, query_loss, phi, strength):
    H = torch.func.hessian(support_loss)(phi)
    left = LinearOperator(H.shape, matvec=lambda v: v + (H @ torch.as_tensor(v)).numpy() / strength, dtype=np.float64)
    return torch.from_numpy(cg(left, grad(query_loss)(phi).numpy())[0])
""",
        "as many rounds as unknowns": {"10 * len(b)": "len(b)"},
    },
}

RIGHT = {
    "multi_step_loss": {
        "a sum of meta-losses": """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    terms = [w * meta_loss(model, params, episode, loss=loss, lr=lr, steps=k) for k, w in enumerate(weights)]
    return sum(terms)
""",
        "autograd": """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    names, tasks = list(params), []
    for t in range(episode.support_x.shape[0]):
        def at(values, x, y):
            return loss(functional_call(model, dict(zip(names, values)), (x,)), y)
        values = [params[name] for name in names]
        losses = [at(values, episode.query_x[t], episode.query_y[t])]
        while len(losses) < len(weights):
            inner = at(values, episode.support_x[t], episode.support_y[t])
            slopes = torch.autograd.grad(inner, values, create_graph=True)
            values = [value - lr * slope for value, slope in zip(values, slopes)]
            losses.append(at(values, episode.query_x[t], episode.query_y[t]))
        tasks.append(torch.dot(torch.stack(losses), torch.tensor(weights, dtype=losses[0].dtype)))
    return torch.stack(tasks).mean()
""",
        "mapped over the tasks": """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    def one(params, x, y, query_x, query_y):
        total = weights[0] * loss(functional_call(model, params, (query_x,)), query_y)
        for w in weights[1:]:
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(params)
            params = {name: params[name] - lr * slopes[name] for name in params}
            total = total + w * loss(functional_call(model, params, (query_x,)), query_y)
        return total
    parts = episode.support_x, episode.support_y, episode.query_x, episode.query_y
    return torch.func.vmap(one, in_dims=(None, 0, 0, 0, 0))(params, *parts).mean()
""",
    },
    "best_start": {
        "a loop over the tasks": """
def best_start(A, c, B, e, lr, steps):
    d = c.shape[1]
    left, right = torch.zeros(d, d, dtype=A.dtype), torch.zeros(d, dtype=A.dtype)
    for Ai, ci, Bi, ei in zip(A, c, B, e):
        shrink = torch.eye(d, dtype=A.dtype)
        for _ in range(steps):
            shrink = shrink - lr * Ai @ shrink
        left += shrink.T @ Bi @ shrink
        right += shrink.T @ Bi @ (ei - ci + shrink @ ci)
    return torch.inverse(left) @ right
""",
        "least squares, NumPy": """
def best_start(A, c, B, e, lr, steps):
    rows, wanted = [], []
    for a, m, b, q in zip(*(part.numpy() for part in (A, c, B, e))):
        values, vectors = np.linalg.eigh(a)
        M = vectors * (1 - lr * values) ** steps @ vectors.T
        values, vectors = np.linalg.eigh(b)
        root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
        rows.append(root @ M)
        wanted.append(root @ (q - m + M @ m))
    return np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=None)[0]
""",
        "one Newton step on J": """
def best_start(A, c, B, e, lr, steps):
    def J(theta):
        now = theta.expand(len(c), -1)
        for _ in range(steps):
            now = now - lr * torch.einsum("tij,tj->ti", A, now - c)
        return 0.5 * torch.einsum("ti,tij,tj->", now - e, B, now - e)
    zero = torch.zeros_like(c[0])
    return -torch.linalg.solve(torch.func.hessian(J)(zero), grad(J)(zero))
""",
    },
    "dropped_terms": {
        "autograd": """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    way = [theta.detach().clone().requires_grad_()]
    for _ in range(steps):
        (slope,) = torch.autograd.grad(support_loss(way[-1]), way[-1])
        way.append((way[-1] - lr * slope).detach().requires_grad_())
    (first,) = torch.autograd.grad(query_loss(way[-1]), way[-1])
    v, rows = first, torch.zeros(steps, len(theta), dtype=theta.dtype)
    for k in range(steps - 1, -1, -1):
        (slope,) = torch.autograd.grad(support_loss(way[k]), way[k], create_graph=True)
        (product,) = torch.autograd.grad(slope, way[k], grad_outputs=v)
        rows[k] = lr * product
        v = v - rows[k]
    return first, rows
""",
        "Hessians": """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    hessians, now = [], theta
    for _ in range(steps):
        hessians.append(torch.autograd.functional.hessian(support_loss, now))
        now = now - lr * torch.func.grad(support_loss)(now)
    g = torch.func.grad(query_loss)(now)
    factors = [torch.eye(len(theta), dtype=theta.dtype) - lr * H for H in hessians]
    rows = []
    for k in range(steps):
        v = g
        for factor in factors[:k:-1]:
            v = factor @ v
        rows.append(lr * hessians[k] @ v)
    return g, torch.stack(rows)
""",
        "forward over reverse": """
from torch.func import jvp

def dropped_terms(support_loss, query_loss, theta, lr, steps):
    slope = grad(support_loss)
    def back(point, k):
        if k == steps:
            g = grad(query_loss)(point)
            return g, g, []
        first, v, later = back(point - lr * slope(point), k + 1)
        term = lr * jvp(slope, (point,), (v,))[1]
        return first, v - term, [term, *later]
    first, _, terms = back(theta, 0)
    return [first, torch.stack(terms)]
""",
    },
    "is_gradient": {
        "random directions": """
def is_gradient(objective, gradient, theta):
    source = torch.Generator().manual_seed(0)
    worst, step = 0.0, 1e-5
    for _ in range(20):
        u = F.normalize(torch.randn(len(theta), generator=source, dtype=theta.dtype), dim=0)
        slope = (objective(theta + step * u) - objective(theta - step * u)) / (2 * step)
        worst = max(worst, abs(float(gradient @ u) - slope))
    return bool(torch.isfinite(gradient).all()) and worst < 1e-6 * float(gradient.norm())
""",
        "entry by entry, fourth order, NumPy": """
def is_gradient(objective, gradient, theta):
    h, claimed = 1e-3, gradient.numpy()
    if np.isnan(claimed).any():
        return np.bool_(False)
    true = np.empty_like(claimed)
    for j in range(len(true)):
        u = torch.zeros_like(theta)
        u[j] = h
        near = objective(theta + u) - objective(theta - u)
        far = objective(theta + 2 * u) - objective(theta - 2 * u)
        true[j] = (8 * near - far) / (12 * h)
    return np.linalg.norm(claimed - true) <= 1e-4 * np.linalg.norm(true)
""",
        "forward differences": {
            "h = 1e-5": "here, h = objective(theta), 1e-7",
            "objective(theta - h * u)) / (2 * h)": "here) / h",
            "< 1e-5": "< 3e-4",
        },
    },
    "meta_sgd_gradient": {
        "autograd": """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    names, losses = list(params), []
    for t in range(episode.tasks):
        weights = [params[n] for n in names]
        for k in range(steps):
            predicted = functional_call(model, dict(zip(names, weights)), (episode.support_x[t],))
            slopes = torch.autograd.grad(loss(predicted, episode.support_y[t]), weights, create_graph=True)
            weights = [w - rates[n][k] * s for n, w, s in zip(names, weights, slopes)]
        predicted = functional_call(model, dict(zip(names, weights)), (episode.query_x[t],))
        losses.append(loss(predicted, episode.query_y[t]))
    J = torch.stack(losses).mean()
    by_params = torch.autograd.grad(J, [params[n] for n in names], retain_graph=True)
    by_rates = torch.autograd.grad(J, [rates[n] for n in names])
    return J, dict(zip(names, by_params)), dict(zip(names, by_rates))
""",
        "functional, mapped over the tasks": """
from torch.func import grad_and_value, vmap

def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    def task_loss(theta, a, x, y, query_x, query_y):
        for k in range(steps):
            g = grad(lambda t: loss(functional_call(model, t, (x,)), y))(theta)
            theta = {name: theta[name] - a[name][k] * g[name] for name in theta}
        return loss(functional_call(model, theta, (query_x,)), query_y)
    parts = episode.support_x, episode.support_y, episode.query_x, episode.query_y
    every = vmap(grad_and_value(task_loss, argnums=(0, 1)), in_dims=(None, None, 0, 0, 0, 0))
    (by_theta, by_a), values = every(params, rates, *parts)
    return values.mean().item(), {n: g.mean(0) for n, g in by_theta.items()}, {n: g.mean(0) for n, g in by_a.items()}
""",
        "by hand, going backwards": """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    with torch.no_grad():
        value = 0.0
        by_params, by_rates = ({n: torch.zeros_like(p) for n, p in part.items()} for part in (params, rates))
        for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
            slope = grad(lambda p: loss(functional_call(model, p, (x,)), y))
            way = [{n: p.detach() for n, p in params.items()}]
            for k in range(steps):
                g = slope(way[-1])
                way.append({n: p - rates[n][k] * g[n] for n, p in way[-1].items()})
            v, query = torch.func.grad_and_value(lambda p: loss(functional_call(model, p, (qx,)), qy))(way[-1])
            value = value + query / episode.tasks
            for k in reversed(range(steps)):
                point, g = way[k], slope(way[k])
                for n, r in by_rates.items():
                    r[k] -= v[n] * g[n] / episode.tasks
                scaled = {n: rates[n][k] * v[n] for n in v}
                Hv = grad(lambda p: sum((slope(p)[n] * scaled[n]).sum() for n in p))(point)
                v = {n: v[n] - Hv[n] for n in v}
            by_params = {n: p + v[n] / episode.tasks for n, p in by_params.items()}
    return value, by_params, by_rates
""",
        "the course's inner loop, one step at a time": """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    losses = []
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for k in range(steps):
            now = adapt(model, now, x, y, loss=loss, lr={n: r[k] for n, r in rates.items()}, steps=1)
        losses.append(loss(functional_call(model, now, (qx,)), qy))
    value = torch.stack(losses).mean()
    found = torch.autograd.grad(value, [*params.values(), *rates.values()])
    return value.detach(), dict(zip(params, found)), dict(zip(rates, found[len(params):]))
""",
    },
    "implicit_gradient": {
        "explicit Hessian": """
def implicit_gradient(support_loss, query_loss, phi, strength):
    H = torch.autograd.functional.hessian(support_loss, phi)
    return strength * torch.linalg.solve(H + strength * torch.eye(len(phi), dtype=H.dtype), grad(query_loss)(phi))
""",
        "SciPy": """
from scipy.sparse.linalg import LinearOperator, cg

def implicit_gradient(support_loss, query_loss, phi, strength):
    def product(v):
        v = torch.from_numpy(np.asarray(v).ravel().copy())
        return (v + grad(lambda t: (grad(support_loss)(t) * v).sum())(phi) / strength).numpy()
    d = len(phi)
    right = grad(query_loss)(phi).numpy()
    solution, _ = cg(LinearOperator((d, d), matvec=product, dtype=np.float64), right, rtol=1e-11, maxiter=50 * d)
    return torch.from_numpy(solution)
""",
        "autograd, conjugate gradients with another stop": """
def implicit_gradient(support_loss, query_loss, phi, strength):
    point = phi.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(support_loss(point), point, create_graph=True)
    def product(v):
        (Hv,) = torch.autograd.grad(slope, point, grad_outputs=v, retain_graph=True)
        return v + Hv / strength
    (b,) = torch.autograd.grad(query_loss(point), point)
    x, r, p, rr = torch.zeros_like(b), b, b, b @ b
    for _ in range(4 * len(b)):
        q = product(p)
        a = rr / (p @ q)
        x, r = x + a * p, r - a * q
        rr, before = r @ r, rr
        if rr < 1e-24 * (b @ b):
            break
        p = r + rr / before * p
    return x
""",
    },
}

HIDDEN_ONLY = {}  # the visible tests find every mistake
