"""Answers to the exercises on MAML: mistakes, which must earn nothing, and other right ways, which must not lose."""

WRONG = {
    "multi_step_loss": [
        (
            "support loss outside",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    total = 0.0
    for x, y in zip(episode.support_x, episode.support_y):
        now = params
        for k, weight in enumerate(weights):
            if k:
                now = adapt(model, now, x, y, loss=loss, lr=lr, steps=1)
            total = total + weight * loss(functional_call(model, now, (x,)), y)
    return total / episode.tasks
""",
        ),
        (
            "adapts to the query set",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    total = 0.0
    for x, y in zip(episode.query_x, episode.query_y):
        now = params
        for k, weight in enumerate(weights):
            if k:
                now = adapt(model, now, x, y, loss=loss, lr=lr, steps=1)
            total = total + weight * loss(functional_call(model, now, (x,)), y)
    return total / episode.tasks
""",
        ),
        (
            "a step before the first loss",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for weight in weights:
            now = adapt(model, now, x, y, loss=loss, lr=lr, steps=1)
            total = total + weight * loss(functional_call(model, now, (qx,)), qy)
    return total / episode.tasks
""",
        ),
        (
            "the sum over tasks",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    return episode.tasks * sum(
        w * meta_loss(model, params, episode, loss=loss, lr=lr, steps=k) for k, w in enumerate(weights)
    )
""",
        ),
        (
            "weights made to sum to one",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    return sum(
        w / sum(weights) * meta_loss(model, params, episode, loss=loss, lr=lr, steps=k) for k, w in enumerate(weights)
    )
""",
        ),
        (
            "first order",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    return sum(
        w * meta_loss(model, params, episode, loss=loss, lr=lr, steps=k, first_order=True)
        for k, w in enumerate(weights)
    )
""",
        ),
        (
            "each task starts where the last one ended",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    total, now = 0.0, params
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        for k, weight in enumerate(weights):
            if k:
                now = adapt(model, now, x, y, loss=loss, lr=lr, steps=1)
            total = total + weight * loss(functional_call(model, now, (qx,)), qy)
    return total / episode.tasks
""",
        ),
        (
            "the model's own values",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    own = dict(model.named_parameters())
    return sum(w * meta_loss(model, own, episode, loss=loss, lr=lr, steps=k) for k, w in enumerate(weights))
""",
        ),
        (
            "steps in place",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        for k, weight in enumerate(weights):
            if k:
                slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(params)
                for name in params:
                    params[name] = params[name] - lr * slopes[name]
            total = total + weight * loss(functional_call(model, params, (qx,)), qy)
    return total / episode.tasks
""",
        ),
        (
            "a loss of its own",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    return sum(w * meta_loss(model, params, episode, loss=F.mse_loss, lr=lr, steps=k) for k, w in enumerate(weights))
""",
        ),
    ],
    "best_start": [
        (
            "the chapter's formula, for equal bowls",
            """
def best_start(A, c, B, e, lr, steps):
    M = torch.linalg.matrix_power(torch.eye(A.shape[-1], dtype=A.dtype) - lr * A, steps)
    W = M @ A @ M
    return torch.linalg.lstsq(W.sum(0), (W @ c[..., None]).sum(0)).solution[:, 0]
""",
        ),
        (
            "weights of the query bowls, minima of the query bowls",
            """
def best_start(A, c, B, e, lr, steps):
    M = torch.linalg.matrix_power(torch.eye(A.shape[-1], dtype=A.dtype) - lr * A, steps)
    W = M @ B @ M
    return torch.linalg.solve(W.sum(0), (W @ e[..., None]).sum(0)[:, 0])
""",
        ),
        (
            "first-order weights",
            """
def best_start(A, c, B, e, lr, steps):
    M = torch.linalg.matrix_power(torch.eye(A.shape[-1], dtype=A.dtype) - lr * A, steps)
    wanted = e[..., None] - c[..., None] + M @ c[..., None]
    return torch.linalg.solve((B @ M).sum(0), (B @ wanted).sum(0)[:, 0])
""",
        ),
        (
            "order of the factors",
            """
def best_start(A, c, B, e, lr, steps):
    M = torch.linalg.matrix_power(torch.eye(A.shape[-1], dtype=A.dtype) - lr * A, steps)
    wanted = e[..., None] - c[..., None] + M @ c[..., None]
    return torch.linalg.solve((B @ M @ M).sum(0), (B @ M @ wanted).sum(0)[:, 0])
""",
        ),
        (
            "steps times one step",
            """
def best_start(A, c, B, e, lr, steps):
    M = torch.eye(A.shape[-1], dtype=A.dtype) - lr * steps * A
    wanted = e[..., None] - c[..., None] + M @ c[..., None]
    return torch.linalg.solve((M @ B @ M).sum(0), (M @ B @ wanted).sum(0)[:, 0])
""",
        ),
        (
            "powers of the entries",
            """
def best_start(A, c, B, e, lr, steps):
    M = (torch.eye(A.shape[-1], dtype=A.dtype) - lr * A) ** steps
    wanted = e[..., None] - c[..., None] + M @ c[..., None]
    return torch.linalg.solve((M @ B @ M).sum(0), (M @ B @ wanted).sum(0)[:, 0])
""",
        ),
        (
            "the mean of each task's best start",
            """
def best_start(A, c, B, e, lr, steps):
    M = torch.linalg.matrix_power(torch.eye(A.shape[-1], dtype=A.dtype) - lr * A, steps)
    wanted = e[..., None] - c[..., None] + M @ c[..., None]
    return torch.linalg.lstsq(M, wanted).solution[..., 0].mean(0)
""",
        ),
        (
            "sign of the support minimum",
            """
def best_start(A, c, B, e, lr, steps):
    M = torch.linalg.matrix_power(torch.eye(A.shape[-1], dtype=A.dtype) - lr * A, steps)
    wanted = e[..., None] + c[..., None] - M @ c[..., None]
    return torch.linalg.solve((M @ B @ M).sum(0), (M @ B @ wanted).sum(0)[:, 0])
""",
        ),
    ],
    "dropped_terms": [
        (
            "all Hessians at the start",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    end = theta
    for _ in range(steps):
        end = end - lr * grad(support_loss)(end)
    first_order = v = grad(query_loss)(end)
    H, terms = torch.func.hessian(support_loss)(theta), []
    for _ in range(steps):
        terms.insert(0, lr * H @ v)
        v = v - terms[0]
    return first_order, torch.stack(terms)
""",
        ),
        (
            "Hessians one step too late",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = [theta]
    for _ in range(steps):
        points.append(points[-1] - lr * grad(support_loss)(points[-1]))
    first_order = v = grad(query_loss)(points[-1])
    terms = []
    for point in reversed(points[1:]):
        terms.insert(0, lr * torch.func.hessian(support_loss)(point) @ v)
        v = v - terms[0]
    return first_order, torch.stack(terms)
""",
        ),
        (
            "first step first",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = [theta]
    for _ in range(steps):
        points.append(points[-1] - lr * grad(support_loss)(points[-1]))
    first_order = v = grad(query_loss)(points[-1])
    terms = []
    for point in points[:-1]:
        terms.append(lr * torch.func.hessian(support_loss)(point) @ v)
        v = v - terms[-1]
    return first_order, torch.stack(terms)
""",
        ),
        (
            "the vector is not carried back",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = [theta]
    for _ in range(steps):
        points.append(points[-1] - lr * grad(support_loss)(points[-1]))
    g = grad(query_loss)(points[-1])
    return g, torch.stack([lr * torch.func.hessian(support_loss)(point) @ g for point in points[:-1]])
""",
        ),
        (
            "without the rate",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = [theta]
    for _ in range(steps):
        points.append(points[-1] - lr * grad(support_loss)(points[-1]))
    first_order = v = grad(query_loss)(points[-1])
    terms = []
    for point in reversed(points[:-1]):
        terms.insert(0, torch.func.hessian(support_loss)(point) @ v)
        v = v - lr * terms[0]
    return first_order, torch.stack(terms)
""",
        ),
        (
            "Hessian of the query loss",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = [theta]
    for _ in range(steps):
        points.append(points[-1] - lr * grad(support_loss)(points[-1]))
    first_order = v = grad(query_loss)(points[-1])
    terms = []
    for point in reversed(points[:-1]):
        terms.insert(0, lr * torch.func.hessian(query_loss)(point) @ v)
        v = v - terms[0]
    return first_order, torch.stack(terms)
""",
        ),
        (
            "query gradient at the start",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = [theta]
    for _ in range(steps):
        points.append(points[-1] - lr * grad(support_loss)(points[-1]))
    first_order = v = grad(query_loss)(theta)
    terms = []
    for point in reversed(points[:-1]):
        terms.insert(0, lr * torch.func.hessian(support_loss)(point) @ v)
        v = v - terms[0]
    return first_order, torch.stack(terms)
""",
        ),
        (
            "rows in the order of the way back",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = [theta]
    for _ in range(steps):
        points.append(points[-1] - lr * grad(support_loss)(points[-1]))
    first_order = v = grad(query_loss)(points[-1])
    terms = []
    for point in reversed(points[:-1]):
        terms.append(lr * torch.func.hessian(support_loss)(point) @ v)
        v = v - terms[-1]
    return first_order, torch.stack(terms)
""",
        ),
        (
            "plus instead of minus on the way back",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = [theta]
    for _ in range(steps):
        points.append(points[-1] - lr * grad(support_loss)(points[-1]))
    first_order = v = grad(query_loss)(points[-1])
    terms = []
    for point in reversed(points[:-1]):
        terms.insert(0, lr * torch.func.hessian(support_loss)(point) @ v)
        v = v + terms[0]
    return first_order, torch.stack(terms)
""",
        ),
        (
            "walks in place",
            """
def dropped_terms(support_loss, query_loss, theta, lr, steps):
    points = []
    for _ in range(steps):
        points.append(theta.clone())
        theta -= lr * grad(support_loss)(theta)
    first_order = v = grad(query_loss)(theta)
    terms = []
    for point in reversed(points):
        terms.insert(0, lr * torch.func.hessian(support_loss)(point) @ v)
        v = v - terms[0]
    return first_order, torch.stack(terms)
""",
        ),
    ],
    "is_gradient": [
        ("everybody passes", "def is_gradient(objective, gradient, theta):\n    return True"),
        ("nobody passes", "def is_gradient(objective, gradient, theta):\n    return False"),
        (
            "along the gradient only",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    u = gradient / gradient.norm()
    slope = (objective(theta + h * u) - objective(theta - h * u)) / (2 * h)
    return bool(abs(gradient.norm() - slope) < 1e-5 * gradient.norm())
""",
        ),
        (
            "the first entries only",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    for j in range(8):
        u = torch.zeros_like(theta)
        u[j] = h
        slope = (objective(theta + u) - objective(theta - u)) / (2 * h)
        if not abs(gradient[j] - slope) < 1e-5 * gradient.norm():
            return False
    return True
""",
        ),
        (
            "the direction only",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / (2 * h) for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return bool(torch.cosine_similarity(slopes, gradient, dim=0) > 1 - 1e-8)
""",
        ),
        (
            "the length only",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / (2 * h) for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return bool(abs(slopes.norm() - gradient.norm()) < 1e-6 * slopes.norm())
""",
        ),
        (
            "too generous",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / (2 * h) for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return torch.allclose(gradient, slopes, rtol=1e-2, atol=1e-2)
""",
        ),
        (
            "steps too small",
            """
def is_gradient(objective, gradient, theta, h=1e-14):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / (2 * h) for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return bool((gradient - slopes).norm() < 1e-4 * slopes.norm())
""",
        ),
        (
            "steps too large",
            """
def is_gradient(objective, gradient, theta, h=0.3):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / (2 * h) for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return bool((gradient - slopes).norm() < 1e-4 * slopes.norm())
""",
        ),
        (
            "h instead of 2h",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / h for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return bool((gradient - slopes).norm() < 1e-5 * slopes.norm())
""",
        ),
        (
            "nan slips through",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    for j in range(len(theta)):
        u = torch.zeros_like(theta)
        u[j] = h
        slope = (objective(theta + u) - objective(theta - u)) / (2 * h)
        if abs(gradient[j] - slope) > 1e-5 * torch.nan_to_num(gradient).norm():
            return False
    return True
""",
        ),
        (
            "an absolute tolerance",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / (2 * h) for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return bool((gradient - slopes).norm() < 1e-4)
""",
        ),
        (
            "a tolerance that is absolute for short gradients",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / (2 * h) for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return bool((gradient - slopes).norm() < 1e-5 * (1 + slopes.norm()))
""",
        ),
        (
            "not greater, so that nan passes",
            """
def is_gradient(objective, gradient, theta, h=1e-5):
    slopes = torch.tensor([
        (objective(theta + h * u) - objective(theta - h * u)) / (2 * h) for u in torch.eye(len(theta)).double()
    ], dtype=theta.dtype)
    return not bool((gradient - slopes).norm() > 1e-5 * slopes.norm())
""",
        ),
    ],
    "meta_sgd_gradient": [
        (
            "first order",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = torch.autograd.grad(loss(functional_call(model, now, (x,)), y), list(now.values()))
            now = {n: p - rates[n] * s for (n, p), s in zip(now.items(), slopes)}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "the sum over tasks",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n] * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy)
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "support loss outside",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y in zip(episode.support_x, episode.support_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n] * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (x,)), y) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "the formula of one step for all steps",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total, by_rates = 0.0, {n: torch.zeros_like(p) for n, p in params.items()}
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n] * slopes[n] for n, p in now.items()}
        outer = grad(lambda p: loss(functional_call(model, p, (qx,)), qy))(now)
        first = grad(lambda p: loss(functional_call(model, p, (x,)), y))(params)
        by_rates = {n: r - outer[n] * first[n] / episode.tasks for n, r in by_rates.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    return total, dict(zip(params, torch.autograd.grad(total, list(params.values())))), by_rates
""",
        ),
        (
            "one rate for each tensor",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n].mean() * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "the two results exchanged",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n] * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*rates.values(), *params.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "sizes of the rates only",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n].abs() * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "slopes always at the start",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(params)
            now = {n: p - rates[n] * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "each task starts where the last one ended",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total, now = 0.0, params
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n] * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "leaves its derivatives in the arguments",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n] * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    total.backward()
    return total.detach(), {n: p.grad for n, p in params.items()}, {n: a.grad for n, a in rates.items()}
""",
        ),
        (
            "rates by their place, not by name",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - a * slopes[n] for (n, p), a in zip(now.items(), rates.values())}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(params, d[len(params):]))
""",
        ),
        (
            "one rate for all",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - torch.cat([a.flatten() for a in rates.values()]).mean() * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(rates, d[len(params):]))
""",
        ),
        (
            "derivatives by the rates under the names in the order of params",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for _ in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n] * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy) / episode.tasks
    d = torch.autograd.grad(total, [*params.values(), *rates.values()])
    return total, dict(zip(params, d)), dict(zip(params, d[len(params):]))
""",
        ),
    ],
    "implicit_gradient": [
        (
            "the query gradient itself",
            "def implicit_gradient(support_loss, query_loss, phi, strength):\n    return grad(query_loss)(phi)",
        ),
        (
            "multiplied, not solved",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    b = grad(query_loss)(phi)
    return b + torch.func.hessian(support_loss)(phi) @ b / strength
""",
        ),
        (
            "first term of the series",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    b = grad(query_loss)(phi)
    return b - torch.func.hessian(support_loss)(phi) @ b / strength
""",
        ),
        (
            "times the strength",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    H = torch.func.hessian(support_loss)(phi)
    return torch.linalg.solve(torch.eye(len(phi), dtype=phi.dtype) + strength * H, grad(query_loss)(phi))
""",
        ),
        (
            "the factor of the right-hand side forgotten",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    H = torch.func.hessian(support_loss)(phi)
    return torch.linalg.solve(strength * torch.eye(len(phi), dtype=phi.dtype) + H, grad(query_loss)(phi))
""",
        ),
        (
            "Hessian of the query loss",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    H = torch.func.hessian(query_loss)(phi)
    return torch.linalg.solve(torch.eye(len(phi), dtype=phi.dtype) + H / strength, grad(query_loss)(phi))
""",
        ),
        (
            "gradient of the support loss",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    H = torch.func.hessian(support_loss)(phi)
    return torch.linalg.solve(torch.eye(len(phi), dtype=phi.dtype) + H / strength, grad(support_loss)(phi))
""",
        ),
        (
            "five rounds of conjugate gradients",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    b = grad(query_loss)(phi)
    v, r, p = torch.zeros_like(b), b, b
    for _ in range(5):
        if r.norm() < 1e-12 * b.norm():
            break
        step = p + grad(lambda t: grad(support_loss)(t) @ p)(phi) / strength
        size = (r @ r) / (p @ step)
        v, new = v + size * p, r - size * step
        p, r = new + (new @ new) / (r @ r) * p, new
    return v
""",
        ),
        (
            "twenty terms of Neumann's series",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    b = grad(query_loss)(phi)
    H = torch.func.hessian(support_loss)(phi) / strength
    term = total = b
    for _ in range(20):
        term = -H @ term
        total = total + term
    return total
""",
        ),
        (
            "the diagonal of the Hessian",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    return grad(query_loss)(phi) / (1 + torch.func.hessian(support_loss)(phi).diag() / strength)
""",
        ),
        (
            "two thousand plain steps",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    b = grad(query_loss)(phi)
    left = torch.eye(len(phi), dtype=phi.dtype) + torch.func.hessian(support_loss)(phi) / strength
    size = 1 / torch.linalg.matrix_norm(left, 2)
    v = torch.zeros_like(b)
    for _ in range(2000):
        v = v - size * (left @ v - b)
    return v
""",
        ),
        (
            "SciPy's conjugate gradients with its own stop",
            """
from scipy.sparse.linalg import LinearOperator, cg

def implicit_gradient(support_loss, query_loss, phi, strength):
    H = torch.func.hessian(support_loss)(phi)
    left = LinearOperator(H.shape, matvec=lambda v: v + (H @ torch.as_tensor(v)).numpy() / strength, dtype=np.float64)
    return torch.from_numpy(cg(left, grad(query_loss)(phi).numpy())[0])
""",
        ),
        (
            "as many rounds as unknowns",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    b = grad(query_loss)(phi)
    v, r, p = torch.zeros_like(b), b, b
    for _ in range(len(b)):
        if r.norm() <= 1e-12 * b.norm():
            break
        step = p + grad(lambda t: grad(support_loss)(t) @ p)(phi) / strength
        size = (r @ r) / (p @ step)
        v, new = v + size * p, r - size * step
        p, r = new + (new @ new) / (r @ r) * p, new
    return v
""",
        ),
    ],
}

# No mistake is left to the hidden tests alone.
HIDDEN_ONLY = {}

RIGHT = {
    "multi_step_loss": [
        (
            "a sum of meta-losses",
            """
def multi_step_loss(model, params, episode, weights, *, loss, lr):
    result = 0
    for steps, w in enumerate(weights):
        result = result + w * meta_loss(model, params, episode, loss=loss, lr=lr, steps=steps)
    return result
""",
        ),
        (
            "autograd",
            """
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
        ),
        (
            "mapped over the tasks",
            """
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
        ),
    ],
    "best_start": [
        (
            "a loop over the tasks",
            """
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
        ),
        (
            "least squares, NumPy",
            """
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
        ),
        (
            "one Newton step on J",
            """
def best_start(A, c, B, e, lr, steps):
    def J(theta):
        now = theta.expand(len(c), -1)
        for _ in range(steps):
            now = now - lr * torch.einsum("tij,tj->ti", A, now - c)
        return 0.5 * torch.einsum("ti,tij,tj->", now - e, B, now - e)
    zero = torch.zeros_like(c[0])
    return -torch.linalg.solve(torch.func.hessian(J)(zero), grad(J)(zero))
""",
        ),
    ],
    "dropped_terms": [
        (
            "autograd",
            """
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
        ),
        (
            "Hessians",
            """
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
        ),
        (
            "forward over reverse",
            """
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
        ),
    ],
    "is_gradient": [
        (
            "random directions",
            """
def is_gradient(objective, gradient, theta):
    source = torch.Generator().manual_seed(0)
    worst, step = 0.0, 1e-5
    for _ in range(20):
        u = torch.randn(len(theta), generator=source, dtype=theta.dtype)
        u = u / u.norm()
        slope = (objective(theta + step * u) - objective(theta - step * u)) / (2 * step)
        worst = max(worst, abs(float(gradient @ u) - slope))
    return bool(torch.isfinite(gradient).all()) and worst < 1e-6 * float(gradient.norm())
""",
        ),
        (
            "entry by entry, fourth order, NumPy",
            """
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
        ),
        (
            "forward differences",
            """
def is_gradient(objective, gradient, theta):
    here, h = objective(theta), 1e-7
    steps = h * torch.eye(len(theta), dtype=torch.float64)
    slopes = torch.tensor([(objective(theta + step) - here) / h for step in steps], dtype=torch.float64)
    return torch.dist(slopes, gradient) < 3e-4 * torch.linalg.norm(slopes)
""",
        ),
    ],
    "meta_sgd_gradient": [
        (
            "autograd",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    names, losses = list(params), []
    for t in range(episode.tasks):
        weights = [params[n] for n in names]
        for _ in range(steps):
            predicted = functional_call(model, dict(zip(names, weights)), (episode.support_x[t],))
            slopes = torch.autograd.grad(loss(predicted, episode.support_y[t]), weights, create_graph=True)
            weights = [w - rates[n] * s for n, w, s in zip(names, weights, slopes)]
        predicted = functional_call(model, dict(zip(names, weights)), (episode.query_x[t],))
        losses.append(loss(predicted, episode.query_y[t]))
    J = torch.stack(losses).mean()
    by_params = torch.autograd.grad(J, [params[n] for n in names], retain_graph=True)
    by_rates = torch.autograd.grad(J, [rates[n] for n in names])
    return J, dict(zip(names, by_params)), dict(zip(names, by_rates))
""",
        ),
        (
            "functional, mapped over the tasks",
            """
from torch.func import grad_and_value, vmap

def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    def task_loss(theta, a, x, y, query_x, query_y):
        for _ in range(steps):
            g = grad(lambda t: loss(functional_call(model, t, (x,)), y))(theta)
            theta = {name: theta[name] - a[name] * g[name] for name in theta}
        return loss(functional_call(model, theta, (query_x,)), query_y)
    parts = episode.support_x, episode.support_y, episode.query_x, episode.query_y
    every = vmap(grad_and_value(task_loss, argnums=(0, 1)), in_dims=(None, None, 0, 0, 0, 0))
    (by_theta, by_a), values = every(params, rates, *parts)
    return values.mean().item(), {n: g.mean(0) for n, g in by_theta.items()}, {n: g.mean(0) for n, g in by_a.items()}
""",
        ),
        (
            "by hand, going backwards",
            """
def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    with torch.no_grad():
        value = 0.0
        by_params = {n: torch.zeros_like(p) for n, p in params.items()}
        by_rates = {n: torch.zeros_like(p) for n, p in params.items()}
        for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
            slope = grad(lambda p: loss(functional_call(model, p, (x,)), y))
            way = [{n: p.detach() for n, p in params.items()}]
            for _ in range(steps):
                g = slope(way[-1])
                way.append({n: p - rates[n] * g[n] for n, p in way[-1].items()})
            v, query = torch.func.grad_and_value(lambda p: loss(functional_call(model, p, (qx,)), qy))(way[-1])
            value = value + query / episode.tasks
            for point in way[-2::-1]:
                g = slope(point)
                by_rates = {n: r - v[n] * g[n] / episode.tasks for n, r in by_rates.items()}
                scaled = {n: rates[n] * v[n] for n in v}
                Hv = grad(lambda p: sum((slope(p)[n] * scaled[n]).sum() for n in p))(point)
                v = {n: v[n] - Hv[n] for n in v}
            by_params = {n: p + v[n] / episode.tasks for n, p in by_params.items()}
    return value, by_params, by_rates
""",
        ),
    ],
    "implicit_gradient": [
        (
            "explicit Hessian",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    H = torch.autograd.functional.hessian(support_loss, phi)
    return strength * torch.linalg.solve(H + strength * torch.eye(len(phi), dtype=H.dtype), grad(query_loss)(phi))
""",
        ),
        (
            "SciPy",
            """
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
        ),
        (
            "autograd, conjugate gradients with another stop",
            """
def implicit_gradient(support_loss, query_loss, phi, strength):
    point = phi.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(support_loss(point), point, create_graph=True)
    def product(v):
        (Hv,) = torch.autograd.grad(slope, point, grad_outputs=v, retain_graph=True)
        return v + Hv / strength
    (b,) = torch.autograd.grad(query_loss(point), point)
    x = torch.zeros_like(b)
    r = b - product(x)
    p, rr = r.clone(), r @ r
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
        ),
    ],
}
