/* Before MLflow's own script: open on the runs, in training mode, with our view. What it does not
   understand it leaves alone, and whatever fails, MLflow opens as it always does. */
(function () {
  "use strict";
  var SETTINGS = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.panelOpen_v1": false,
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": true,
    "mlflow.detectIssues.guidanceShown_v1": true,
    "mlflow.telemetry.info.alert.dismissed_v1": true
  };
  /* With one of these in an address MLflow opens it without its view. */
  var FACETS = ["searchFilter", "orderByKey", "orderByAsc", "startTime", "lifecycleFilter",
    "modelVersionFilter", "datasetsFilter"];
  var TRAINING = "workflowType=machine_learning";

  function attempt(work) {
    try { work(); } catch (error) { /* as without us */ }
  }

  function settings() {
    for (var key in SETTINGS) {
      if (localStorage.getItem(key) === null) {
        localStorage.setItem(key, JSON.stringify(SETTINGS[key]));
      }
    }
    if (location.hash.indexOf(TRAINING) >= 0) { /* an address says so for its own page only */
      localStorage.setItem("mlflow.workflowType_v1", JSON.stringify("machine_learning"));
    }
  }

  function cleaned(hash) {
    var at = hash.indexOf("?");
    if (at < 0 || !/[?&]viewStateShareKey=forecast/.test(hash)) { return hash; }
    var kept = hash.slice(at + 1).split("&").filter(function (pair) {
      return FACETS.indexOf(pair.split("=")[0]) < 0;
    });
    return hash.slice(0, at + 1) + kept.join("&");
  }

  function address() {
    var hash = cleaned(location.hash);
    if (hash !== location.hash) { history.replaceState(history.state, "", hash); }
  }

  function same(one, other) { return JSON.stringify(one) === JSON.stringify(other); }

  /* Charts and sections: ours where nobody has changed them, then those that others have added. */
  function merged(before, now, state) {
    var had = {}, has = {};
    before.forEach(function (one) { had[one.uuid] = one; });
    now.forEach(function (one) { has[one.uuid] = one; });
    var ours = state.map(function (one) {
      var id = one.uuid;
      return has[id] && !same(has[id], had[id]) ? has[id] : one;
    });
    var known = {};
    ours.forEach(function (one) { known[one.uuid] = true; });
    return ours.concat(now.filter(function (one) { return !known[one.uuid] && !had[one.uuid]; }));
  }

  /* The state of an experiment's page, as MLflow keeps it. What somebody has changed since it was
     put there stays. */
  function seed(experiment, state) {
    var key = 'MLflowLocalStorage-1.1-ExperimentPage-["' + experiment + '"]-ReactComponentState';
    var mark = "forecast.seeded-" + experiment;
    var before = JSON.parse(localStorage.getItem(mark) || "{}");
    var now = JSON.parse(localStorage.getItem(key) || "{}");
    if (same(before, state) && localStorage.getItem(key)) { return; }
    for (var name in state) {
      if (!(name in now) || same(now[name], before[name])) {
        now[name] = state[name];
      } else if (name === "compareRunCharts" || name === "compareRunSections") {
        now[name] = merged(before[name] || [], now[name], state[name]);
      }
    }
    localStorage.setItem(key, JSON.stringify(now));
    localStorage.setItem(mark, JSON.stringify(state));
  }

  /* The charts of a run's own page are kept for each run, so they are handed out when asked for. */
  function ofRuns(states) {
    var plain = Storage.prototype.getItem;
    var asked = /^MLflowLocalStorage-1\.1-RunPage-[0-9a-f]{32}-model-chartUIState$/i;
    Storage.prototype.getItem = function (key) {
      var found = plain.call(this, key);
      attempt(function () {
        var home = /^#\/experiments\/([^\/?]+)\/runs\//.exec(location.hash);
        if (found !== null || !asked.test(key) || !home || !states[home[1]]) { return; }
        var state = states[home[1]];
        found = JSON.stringify({
          isAccordionReordered: true,
          autoRefreshEnabled: true,
          globalLineChartConfig: {xAxisKey: "step", lineSmoothness: 0, selectedXAxisMetricKey: ""},
          compareRunCharts: state.compareRunCharts.filter(function (one) {
            return one.type !== "DIFFERENCE";
          }),
          compareRunSections: state.compareRunSections.filter(function (one) {
            return one.name !== "What differs";
          })
        });
      });
      return found;
    };
  }

  function known() {
    var request = new XMLHttpRequest(); /* not asynchronous: MLflow reads the state at once */
    request.open("GET", location.pathname.replace(/[^/]*$/, "") + "forecast/start.json", false);
    request.send();
    return request.status === 200 ? JSON.parse(request.responseText) : {};
  }

  attempt(settings);
  attempt(address);
  window.addEventListener("popstate", function () { attempt(address); });
  attempt(function () {
    var found = known();
    attempt(ofRuns.bind(null, found.states || {}));
    for (var experiment in found.states || {}) {
      attempt(seed.bind(null, experiment, found.states[experiment]));
    }
    if (found.home && /^(#\/?)?$/.test(location.hash)) {
      history.replaceState(null, "", "#/experiments/" + found.home + "/runs?" + TRAINING);
    }
  });
})();
