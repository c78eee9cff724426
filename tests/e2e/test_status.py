# SPDX-License-Identifier: GPL-2.0-only
"""The status page in a real browser: what it shows, that it lives, and that it is only shown."""

import json
import re

import pytest
from browser import Browser
from deployment import FAST_PROBE, Deployment, service
from leatd import METRICS
from network import SERVICE6
from wait import wait_until

# Of WCAG 2.1, for text of ordinary size.
MIN_CONTRAST = 4.5
SERVICES = [service(probe=FAST_PROBE),
            service("ipip", name="web6", address=SERVICE6, suffix="-6",
                    scheduler="least-connections")]

# The contrast between each text and the nearest background behind it, the least one first.
CONTRASTS = """
const light = (color) => {
	const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((c) => c / 255)
		.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const back = (element) => {
	for (; element; element = element.parentElement) {
		const color = getComputedStyle(element).backgroundColor;
		if (!color.startsWith("rgba(0, 0, 0, 0"))
			return color;
	}
};
const found = [];
for (const element of document.querySelectorAll("body *")) {
	const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
	if (!own || !element.checkVisibility())
		continue;
	const [a, b] = [light(getComputedStyle(element).color), light(back(element))];
	found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent]);
}
return found.sort((x, y) => x[0] - y[0]);
"""


@pytest.fixture(name="deployment", scope="module")
def make_deployment(tmp_path_factory):
    deployment = Deployment(tmp_path_factory.mktemp("status"), SERVICES)
    yield deployment
    deployment.close()


@pytest.fixture(name="browser", scope="module")
def make_browser(deployment):
    browser = Browser(deployment.edge.namespace)
    browser.open(f"http://{METRICS}/")
    wait_until(lambda: browser.texts("#live") == ["live"], what="the page's first answer")
    yield browser
    browser.close()


def states(browser, name):
    """{backend: state} of a service, as the page shows them."""
    row = f"section[aria-labelledby='service-{name}'] tbody tr"
    return dict(zip(browser.texts(f"{row} th"), browser.texts(f"{row} .state")))


def header(deployment, name):
    answer = deployment.edge.namespace.run("curl", "-sSI", f"http://{METRICS}/").stdout
    return re.search(rf"^{name}: (.*)$", answer, re.MULTILINE | re.IGNORECASE)[1]


def test_the_page_has_every_service_and_backend(browser):
    assert browser.texts("h2") == ["web", "web6"]
    assert states(browser, "web") == {"web1": "up", "web2": "up", "web3": "up"}
    assert set(states(browser, "web6")) == {"web1-6", "web2-6", "web3-6"}


def test_what_happens_shows_without_a_reload(deployment, browser):
    browser.run("document.body.dataset.mark = 'same page'")
    deployment.send(100)
    deployment.servers["web2"].kill()
    deployment.leatd.leat("backend", "drain", "web3")

    wait_until(lambda: states(browser, "web") == {"web1": "up", "web2": "down",
                                                  "web3": "draining"}, what="the states")
    deployment.servers["web2"].start()
    deployment.leatd.leat("backend", "undrain", "web3")
    wait_until(lambda: set(states(browser, "web").values()) == {"up"}, what="all up again")

    events = browser.texts("#events tbody td")
    assert "backend_down" in events and "backend_draining" in events
    assert any(text.startswith("web/web2 is down: L") for text in events)
    assert browser.run("return document.body.dataset.mark") == "same page"
    points = browser.run("return document.querySelector('.rate polyline').getAttribute('points')")
    assert len({point.split(",")[1] for point in points.split()}) > 1


def test_drops_are_there_by_reason(deployment, browser):
    deployment.leatd.leat("deny", "add", "203.0.113.0/24")
    deployment.client.run("curl", "-s", "-m", "1", "http://192.0.2.10/", check=False)
    deployment.leatd.leat("deny", "del", "203.0.113.0/24")

    wait_until(lambda: "denied" in browser.texts("#drops tbody th"), what="the reason")
    wait_until(lambda: "source_admitted" in browser.texts("#events tbody td"), what="the event")
    assert "203.0.113" not in browser.run("return document.body.innerText"), \
        "who was denied is for the control socket alone"


def test_whatever_the_daemon_says_is_text(deployment, browser):
    leatd = deployment.leatd
    good = leatd.config_path.read_text(encoding="utf-8")
    attack = "<img src=x onerror=alert(1)>"
    leatd.write_text(json.dumps({attack: 1, **leatd.config}))
    leatd.leat("config", "reload", check=False)
    leatd.write_text(good)

    def refusals():
        return [text for text in browser.texts("#events tbody td") if attack in text]
    wait_until(refusals, what="the refused key, letter for letter")
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.run("return document.querySelectorAll('script').length") == 1
    assert browser.run("return document.title").endswith(browser.texts("#node")[0])


def test_the_policy_allows_nothing_else(deployment, browser):
    policy = header(deployment, "content-security-policy")

    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy and "*" not in policy
    assert browser.complaints() == []
    browser.run("const s = document.createElement('script'); s.textContent = 'document.title = 1';"
                "document.body.append(s)")
    assert any("Content Security Policy" in text for text in browser.complaints())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_is_readable(browser, tmp_path, width, scheme):
    browser.set_view(width, 1000, scheme)
    browser.screenshot(tmp_path / "page.png")

    assert browser.run("return document.documentElement.scrollWidth") <= width
    contrast, text = browser.run(CONTRASTS)[0]
    assert contrast >= MIN_CONTRAST, text


def test_a_filter_leaves_what_is_asked_for(browser):
    browser.type("#text", "web2-6")
    assert [text for text in browser.texts("#services th") if text.startswith("web")] == ["web2-6"]
    browser.type("#text", "\b" * len("web2-6"))
    assert len(browser.texts("h2")) == 2


def test_a_daemon_that_is_gone_is_said_to_be(deployment, browser):
    deployment.leatd.kill()
    wait_until(lambda: browser.texts("#alert")[0], what="the alert")

    assert browser.texts("#alert")[0].startswith("leatd does not answer.")
    assert browser.texts("#live")[0].startswith("no answer for")
    assert browser.texts("h2") == ["web", "web6"]
    assert browser.run(CONTRASTS)[0][0] >= MIN_CONTRAST

    deployment.leatd.start()
    wait_until(lambda: browser.texts("#live") == ["live"], what="its return")
    assert browser.texts("#alert") == [""]
