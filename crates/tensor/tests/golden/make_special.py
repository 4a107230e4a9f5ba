"""Writes special.json beside itself: values of the special functions with 17 digits, computed with 60 (mpmath 1.3.0)."""
import json
import mpmath as mp

mp.mp.dps = 60
half = mp.mpf(1) / 2
cases = []


def add(name, f, points):
    for args in points:
        args = args if isinstance(args, tuple) else (args,)
        cases.append([name, [float(a) for a in args], float(f(*[mp.mpf(float(a)) for a in args]))])


reals = [-20, -6.5, -3.3, -1.7, -1, -0.6, -0.1, -1e-5, 1e-9, 0.02, 0.3, 0.49, 0.51, 0.8, 0.99, 1.01, 1.5, 2.2, 3.7, 5.1, 9, 15.3, 26.1]
add("erf", mp.erf, reals)
add("erfc", mp.erfc, reals)
add("erfcx", lambda x: mp.exp(x * x) * mp.erfc(x), reals + [100, 1e4, 1e9])
add("log_erfc", lambda x: mp.log(mp.erfc(x)), reals + [50, 300])
ndtr = lambda z: mp.erfc(-z / mp.sqrt(2)) / 2
log_ndtr = lambda z: mp.log1p(-mp.erfc(z / mp.sqrt(2)) / 2) if z > 0 else mp.log(ndtr(z))
add("ndtr", ndtr, reals + [-37])
add("log_ndtr", log_ndtr, reals + [-37, -300, 8, 37, -1e3, -1e5, -1e7, -1e10])
add("inverse_mills", lambda z: mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi) / ndtr(z), reals + [-300, -1e5, -1e10])


def ndtri(p):
    p = mp.mpf(p)
    if abs(p - half) < mp.mpf("0.4"):
        return mp.sqrt(2) * mp.erfinv(2 * p - 1)
    tail = min(p, 1 - p)
    z = mp.findroot(lambda z: log_ndtr(z) - mp.log(tail), -mp.sqrt(-2 * mp.log(tail)) * mp.mpf("0.98"))
    return z if p < half else -z


add("ndtri", ndtri, [1e-300, 1e-100, 1e-12, 1e-4, 0.02, 0.1, 0.24, 0.26, 0.4, 0.499999, 0.5000001, 0.6, 0.74, 0.76, 0.9, 0.999])
add("erf_inv", lambda y: ndtri((1 + y) / 2) / mp.sqrt(2), [-0.999, -0.7, -0.51, -0.49, -0.2, -1e-8, 1e-3, 0.4, 0.6, 0.95])
add("erfc_inv", lambda y: -ndtri(y / 2) / mp.sqrt(2), [1e-200, 1e-10, 0.01, 0.4, 0.6, 0.99, 1.2, 1.6, 1.95])
positive = [1e-20, 1e-5, 0.1, 0.49, 0.51, 0.9, 0.999, 1.0001, 1.3, 1.45, 1.4616, 1.49, 1.51, 1.99, 2.001, 2.49, 2.6, 4.7, 9.9, 10.1, 33.3, 1e3, 1e8]
negative = [-0.3, -0.9, -1.5, -2.7, -7.1]
add("lgamma", lambda x: mp.log(abs(mp.gamma(x))) if x < 1e6 else mp.loggamma(x), positive + negative)
add("digamma", mp.digamma, positive + negative)
for order in (1, 2, 3, 6):
    add(f"polygamma{order}", lambda x: mp.polygamma(order, x), positive + (negative if order <= 3 else []))
log_beta = lambda a, b: mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
add("log_beta", log_beta, [(1e-8, 2), (1e-8, 300), (0.3, 0.4), (2, 3.5), (5, 40), (0.2, 1e6), (12, 15), (1e4, 2e4), (30, 1e9), (1e7, 1e7)])
gammas = [(1e-10, 0.3), (1e-10, 5), (0.01, 1e-8), (0.3, 0.1), (0.3, 0.99), (0.3, 1.2), (0.9, 20), (1.5, 0.01), (2, 3.1), (5, 5), (7.5, 30),
          (12, 3), (12, 13.5), (50, 100), (300, 310), (300, 250), (1e4, 9800), (1e4, 10300), (1e5, 1.004e5)]
add("gamma_p", lambda a, x: mp.gammainc(a, 0, x, regularized=True), gammas)
add("gamma_q", lambda a, x: mp.gammainc(a, x, regularized=True), gammas)


def betainc(a, b, x):
    """The continued fraction in high precision, on the side where it converges."""
    if x > (a + 1) / (a + b + 2):
        return 1 - betainc(b, a, 1 - x)
    front = mp.exp(a * mp.log(x) + b * mp.log1p(-x) - log_beta(a, b)) / a
    c, d, h, m = mp.mpf(1), 1 / (1 - (a + b) * x / (a + 1)), 1 / (1 - (a + b) * x / (a + 1)), 0
    while True:
        m += 1
        for k in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 / (1 + k * d)
            c = 1 + k / c
            h *= d * c
        if abs(d * c - 1) < mp.mpf(10) ** -55:
            return front * h


assert abs(betainc(mp.mpf(2), mp.mpf(3), mp.mpf("0.3")) - mp.betainc(2, 3, 0, mp.mpf("0.3"), regularized=True)) < mp.mpf(10) ** -50
betas = [(0.5, 0.5, 0.2), (0.01, 3, 1e-6), (2, 3, 0.4), (2, 3, 0.999), (5, 0.2, 0.7), (12, 20, 0.3), (12, 20, 0.6), (100, 300, 0.2), (3e3, 1e3, 0.76),
         (1e5, 2e5, 0.334), (0.5, 50, 1e-3), (80, 0.5, 0.97)]
add("beta_inc", betainc, betas)
add("beta_inc_c", lambda a, b, x: 1 - betainc(a, b, x), betas)


def student(t, dof):
    x = dof / (dof + t * t)
    tails = betainc(dof / 2, half, x) / 2
    return tails if t < 0 else 1 - tails


students = [(-40, 1), (-3, 2.5), (-1e-3, 4), (-0.7, 4), (-8, 30), (0.4, 3), (2, 7), (-5, 1e3), (-4, 1e6), (-1e5, 0.5)]
add("student_t_cdf", student, students)
add("bessel_ie0", lambda x: mp.besseli(0, x) * mp.exp(-x), [1e-3, 0.7, 5, 19, 21, 45, 70, 1e3, 1e6])
add("bessel_ie3", lambda x: mp.besseli(3, x) * mp.exp(-x), [1e-3, 0.7, 5, 19, 21, 45, 70, 1e3, 1e6])
add("bessel_ie40", lambda x: mp.besseli(40, x) * mp.exp(-x), [0.7, 5, 19, 21, 45, 70, 1e3, 1e6])
add("bessel_ie300", lambda x: mp.besseli(300, x) * mp.exp(-x), [19, 21, 70, 1e3, 1e6])
add("log1p_exp", lambda x: mp.log1p(mp.exp(x)), [-40, -3, -1e-3, 0.5, 20, 50])
add("log_expm1", lambda x: mp.log(mp.expm1(x)), [1e-9, 0.3, 0.69, 0.7, 5, 60])

# Slopes in the shapes, by differences in high precision.
def slope(f, a):
    step = a * mp.mpf(10) ** -20
    return (f(a + step) - f(a - step)) / (2 * step)


def gamma_log_quantile_slope(a, log_x):
    x = mp.exp(log_x)
    density = mp.exp(a * log_x - x - mp.loggamma(a))
    if x < a:
        return -slope(lambda a: mp.gammainc(a, 0, x, regularized=True), a) / density
    return slope(lambda a: mp.gammainc(a, x, regularized=True), a) / density


slopes = [(1e-3, -50), (1e-3, -3000), (1e-3, 0.5), (0.05, -2), (0.05, 1), (0.4, 0.3), (1.5, -1), (1.5, 1), (7, 1.5), (7, 2.4), (90, 4.3), (90, 4.7),
          (1e3, 6.85), (1e3, 7), (1e5, 11.51), (1e5, 11.517)]
add("gamma_log_quantile_slope", gamma_log_quantile_slope, slopes)
add("beta_inc_slope_a", lambda a, b, x: slope(lambda a: betainc(a, b, x), a), betas)
add("beta_inc_slope_b", lambda a, b, x: slope(lambda b: betainc(a, b, x), b), betas)
orders = [(0, 0.1), (0, 30), (0.5, 2), (0.3, 24), (1.5, 40), (4.7, 3), (15, 25), (15, 200), (29.5, 1), (29.5, 450), (29.5, 470), (30, 5), (30, 300), (49, 1e3),
          (250, 13), (250, 1e4), (511, 1e5)]
add("log_bessel_ie", lambda v, x: mp.log(mp.besseli(v, x)) - x, orders)
add("bessel_i_ratio", lambda v, x: mp.besseli(v + 1, x) / mp.besseli(v, x), orders)
add("bessel_kve", lambda v, x: mp.besselk(v, x) * mp.exp(x), [(0, 1e-8), (0, 0.3), (0.5, 2), (1, 1e-3), (1.7, 5), (2.5, 40), (10, 0.5), (10, 100), (40, 7), (3, 1e4)])
add("lambert_w", lambda x: mp.lambertw(x).real, [-0.3678, -0.35, -0.2, -1e-6, 1e-9, 0.3, 1, 2.9, 3.1, 50, 1e10, 1e300])
add("lambert_w_lower", lambda x: mp.lambertw(x, -1).real, [-0.3678, -0.35, -0.26, -0.24, -0.05, -1e-5, -1e-200])


def owens_t(h, a):
    points = mp.linspace(0, a, 12)
    return mp.quad(lambda x: mp.exp(-h * h * (1 + x * x) / 2) / (1 + x * x), points) / (2 * mp.pi)


add("owens_t", owens_t, [(0, 0.5), (0, 3), (0.3, 0.2), (1, 1), (1, 2.5), (2, 0.9), (3, -0.4), (5, 1.7), (8, 0.05), (12, 0.8), (20, 0.3), (0.1, 40)])

with open("special.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
