using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Microsoft.Playwright;

namespace Distributed.EndToEnd.Tests;

/// <summary>The live page of a run, in a real browser.</summary>
public sealed partial class LivePageTests
{
    /// <summary>How soon the page must show that a worker is lost.</summary>
    private static readonly TimeSpan _seenWithin = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task A_person_sees_the_curve_grow_and_a_worker_die_and_the_run_end()
    {
        await using var browser = await Browser.StartAsync();
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "2");
        var address = (await run.Coordinator.LineAsync(PageAt())).Groups[1].Value;
        var page = await browser.OpenAsync(address);

        await page.ShowsAsync("document.body.dataset.state === 'running'");
        await page.ShowsAsync($"{Step} >= 100");
        await page.ShowsAsync("document.querySelector('#loss canvas') !== null");
        var before = await page.StepAsync();
        await page.ShowsAsync($"{Step} > {before}");
        await page.ShowsAsync("document.querySelectorAll('[data-worker][data-state=here]').length === 2");
        // A worker that computes has a bar.
        await page.ShowsAsync("document.querySelector('[data-worker=worker-2] .compute').style.width !== '0%'");

        // The page records by its own clock when it shows each event.
        await page.RunAsync("""
            new MutationObserver(() => {
              if (document.querySelector('[data-worker=worker-2][data-state=lost]')) window.lostAt ??= Date.now();
            }).observe(document.body, { subtree: true, childList: true, attributes: true });
            """);
        var worker = run.Worker("worker-2");
        var killed = DateTimeOffset.UtcNow;
        worker.Send(Signal.Kill);
        await page.ShowsAsync("window.lostAt !== undefined");
        var shown = DateTimeOffset.FromUnixTimeMilliseconds(await page.NumberAsync("window.lostAt"));
        TestContext.Current.TestOutputHelper?.WriteLine($"Shown as lost after {(shown - killed).TotalMilliseconds:0} ms.");
        Assert.True(shown - killed < _seenWithin, $"The worker was shown as lost after {shown - killed}.");
        await page.ShowsAsync("document.querySelector('.event-row[data-kind=lost]')?.textContent.startsWith('worker-2 is lost')");

        // The run continues with the other worker, and a reopened page shows everything.
        before = await page.StepAsync();
        await page.ShowsAsync($"{Step} > {before}");
        await page.ReloadAsync();
        await page.ShowsAsync($"{Step} > {before}");
        await page.ShowsAsync("document.querySelector('.event-row[data-kind=lost]') !== null");

        // The worker is restarted, and shown as before.
        await page.ShowsAsync(
            "document.querySelector('.event-row[data-kind=restarted]')?.textContent.startsWith('worker-2 is started again')");
        await page.ShowsAsync("document.querySelector('[data-worker=worker-2][data-state=here]') !== null");
        await page.ShowsAsync("document.querySelectorAll('.event-row[data-kind=joined]').length === 3");
        Assert.Contains("over ", await page.AttributeAsync("#loss", "aria-label"), StringComparison.Ordinal);
        await page.ShowsAsync("[...document.querySelectorAll('#files a')].some(file => file.textContent.startsWith('history.csv'))");
        Assert.DoesNotContain("coordinator.json", await page.ContentAsync(), StringComparison.Ordinal);

        await page.PointAtLostWorkerAsync();
        foreach (var (width, height) in new[] { (1440, 900), (390, 844) })
            foreach (var scheme in new[] { ColorScheme.Light, ColorScheme.Dark })
                await page.PictureAsync(width, height, scheme);

        run.Coordinator.Self.Send(Signal.Interrupt);
        await run.Coordinator.EndsWithAsync(1);
        await page.ShowsAsync("document.body.dataset.state === 'failed'");
        await page.ShowsAsync("document.querySelector('#notice').textContent.startsWith('interrupted')");
        // A browser that did not receive the end would reconnect within this time.
        await page.WaitAsync(TimeSpan.FromSeconds(3));
        Assert.Equal("failed", await page.AttributeAsync("body", "data-state"));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task An_open_page_shows_the_end_of_the_run_and_the_model()
    {
        await using var browser = await Browser.StartAsync();
        using var run = TrainingRun.Start(SmallJobs.Long, "--workers", "1");
        var page = await browser.OpenAsync((await run.Coordinator.LineAsync(PageAt())).Groups[1].Value);
        await page.ShowsAsync("document.body.dataset.state === 'finished'");
        await run.Coordinator.EndsWithAsync(0);
        await page.ShowsAsync("[...document.querySelectorAll('#files a')].some(file => file.textContent.startsWith('model.safetensors'))");
        Assert.Equal("100.0", await page.AttributeAsync("#progress", "aria-valuenow"));
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task An_open_page_continues_with_a_restarted_coordinator()
    {
        await using var browser = await Browser.StartAsync();
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "2");
        var address = (await run.Coordinator.LineAsync(PageAt())).Groups[1].Value;
        var page = await browser.OpenAsync(address);
        await page.ShowsAsync($"{Step} >= 50");
        run.Coordinator.Self.Send(Signal.Kill);
        await page.ShowsAsync("document.body.dataset.state === 'away'");
        var before = await page.StepAsync();
        using var again = run.Resume("2");
        Assert.Equal(address, (await again.LineAsync(PageAt())).Groups[1].Value);
        await page.ShowsAsync("document.body.dataset.state === 'running'");
        await page.ShowsAsync($"{Step} > {before}");
        // Failed requests while the coordinator was away are not errors of the page.
        Assert.DoesNotContain(browser.Complaints, complaint =>
            !complaint.Contains("net::ERR_", StringComparison.Ordinal) && !complaint.Contains("status of 503", StringComparison.Ordinal));
    }

    /// <summary>The step that the page shows.</summary>
    private const string Step =
        "Number((document.querySelector('#progress-step').textContent.match(/Step ([\\d,]+)/)?.[1] ?? '0').replaceAll(',', ''))";

    [GeneratedRegex(@"live page at (http://\S+/),")]
    private static partial Regex PageAt();

    /// <summary>A browser, and its errors and warnings.</summary>
    private sealed class Browser : IAsyncDisposable
    {
        private const string Program = "/usr/bin/chromium";

        private readonly IPlaywright _playwright;
        private readonly IBrowser _browser;
        private readonly List<string> _complaints = [];

        private Browser(IPlaywright playwright, IBrowser browser) => (_playwright, _browser) = (playwright, browser);

        /// <summary>From the console and from scripts.</summary>
        public IReadOnlyList<string> Complaints
        {
            get { lock (_complaints) return [.. _complaints]; }
        }

        public static async Task<Browser> StartAsync()
        {
            Assert.SkipUnless(File.Exists(Program), $"There is no {Program}: install the Debian package chromium.");
            var playwright = await Playwright.CreateAsync();
            return new(playwright, await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Program, Args = ["--no-sandbox"] }));
        }

        public async Task<LivePage> OpenAsync(string address)
        {
            var page = await _browser.NewPageAsync(new() { ViewportSize = new() { Width = 1440, Height = 900 } });
            page.SetDefaultTimeout((float)ProgramRun.Timeout.TotalMilliseconds);
            page.Console += (_, message) => { if (message.Type is "error" or "warning") Complain(message.Text); };
            page.PageError += (_, error) => Complain(error);
            await page.GotoAsync(address);
            return new(page);
        }

        public async ValueTask DisposeAsync()
        {
            await _browser.DisposeAsync();
            _playwright.Dispose();
        }

        private void Complain(string text)
        {
            lock (_complaints) _complaints.Add(text);
        }
    }

    /// <summary>A page of the browser.</summary>
    private sealed class LivePage(IPage page)
    {
        /// <summary>Waits until the expression is true. The debugger evaluates it, since the page's policy forbids code in text.</summary>
        public async Task ShowsAsync(string expression)
        {
            using var overdue = new CancellationTokenSource(ProgramRun.Timeout);
            while (!await page.EvaluateAsync<bool>($"() => Boolean({expression})"))
            {
                if (overdue.IsCancellationRequested)
                    Assert.Fail($"Waited for {expression} without success. The page: {await page.InnerTextAsync("body")}");
                await Task.Delay(TimeSpan.FromMilliseconds(20));
            }
        }

        public Task RunAsync(string statements) => page.EvaluateAsync($"() => {{ {statements} }}");

        public Task<long> NumberAsync(string expression) => page.EvaluateAsync<long>($"() => {expression}");

        public Task<long> StepAsync() => NumberAsync(Step);

        public Task ReloadAsync() => page.ReloadAsync();

        public Task<string?> AttributeAsync(string selector, string name) => page.GetAttributeAsync(selector, name);

        public Task<string> ContentAsync() => page.ContentAsync();

        public Task WaitAsync(TimeSpan time) => page.WaitForTimeoutAsync((float)time.TotalMilliseconds);

        /// <summary>Moves the pointer along the curve to the mark, until the page explains the mark.</summary>
        public async Task PointAtLostWorkerAsync()
        {
            // The run continues, and the curve moves under the pointer.
            using var overdue = new CancellationTokenSource(ProgramRun.Timeout);
            while (!await page.EvaluateAsync<bool>(
                "() => document.querySelector('.tip:not([hidden])')?.textContent.includes('worker-2 is lost') ?? false"))
            {
                overdue.Token.ThrowIfCancellationRequested();
                var share = await page.EvaluateAsync<double>($$"""
                    () => Number(document.querySelector('.event-row[data-kind=lost] .event-when').textContent.replace(/\D/g, '')) / {{Step}}
                    """);
                var over = (await page.Locator("#loss .u-over").BoundingBoxAsync())!;
                await page.Mouse.MoveAsync((float)(over.X + over.Width * share), over.Y + over.Height / 2);
            }
        }

        public async Task PictureAsync(int width, int height, ColorScheme scheme)
        {
            await page.SetViewportSizeAsync(width, height);
            await page.EmulateMediaAsync(new() { ColorScheme = scheme, ReducedMotion = ReducedMotion.Reduce });
            await ShowsAsync("document.documentElement.scrollWidth <= innerWidth");
            var path = BuiltFiles.Picture($"{width}x{height}-{scheme.ToString().ToLowerInvariant()}.png");
            await page.ScreenshotAsync(new() { Path = path, FullPage = width < 600 });
        }
    }
}
