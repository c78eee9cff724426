# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium inside a namespace, driven by WebDriver, with what its console said."""

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

# As root there is no sandbox; and where tests run there may be no GPU and a small /dev/shm.
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--hide-scrollbars", "--window-size=1280,1000")


class Browser:
    """Each call enters the namespace, where the driver listens and what it shows is served."""

    def __init__(self, namespace):
        self.namespace = namespace
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ARGUMENTS:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        with namespace.inside():
            self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"),
                                           options=options)

    def open(self, url):
        with self.namespace.inside():
            self.driver.get(url)

    def texts(self, selector):
        """The text of each element at one moment, as it is shown; "" for one that is not."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map("
                        "(one) => one.checkVisibility() ? one.innerText.trim() : '')", selector)

    def run(self, script, *arguments):
        with self.namespace.inside():
            return self.driver.execute_script(script, *arguments)

    def type(self, selector, text):
        with self.namespace.inside():
            self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def command(self, name, **parameters):
        """One of the DevTools protocol."""
        with self.namespace.inside():
            return self.driver.execute_cdp_cmd(name, parameters)

    def set_view(self, width, height, scheme):
        """A window of so many pixels, as on a phone when it is narrow; "light" or "dark"."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=width < 600)
        self.command("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        with self.namespace.inside():
            self.driver.save_screenshot(str(path))

    def complaints(self):
        """What the console has got since the last call: errors, and breaches of the policy."""
        with self.namespace.inside():
            return [one["message"] for one in self.driver.get_log("browser")]

    def close(self):
        with self.namespace.inside():
            self.driver.quit()
