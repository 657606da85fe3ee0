using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Distributed.Core.Protocol;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.EndToEnd.Tests;

/// <summary>With encryption, authentication and strangers at both ports, the bits are the same.</summary>
public sealed partial class TlsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Strangers_at_both_ports_change_no_bit()
    {
        var certificates = await MakeCertificatesAsync();
        var job = SmallJobs.Medium;
        using var run = TrainingRun.Start(job, "--workers", "2", "--certs", certificates);
        await run.TrainsAsync();
        using var stranger = new Stranger(NewSocket);
        await run.Worker("worker-2").SlowDownAsync(until: AnnoyAsync(stranger, run, IPAddress.Loopback));
        await run.Coordinator.EndsWithAsync(0);
        Assert.Empty(run.Coordinator.Errors);
        SameBits.Require(job, run);
        Assert.DoesNotContain(
            run.Report.Reconfigurations, g => g.Cause is not (GenerationCause.Start or GenerationCause.Joined or GenerationCause.Balance));
    }

    [Fact]
    public async Task Machines_that_exchange_everything_over_tls_get_the_same_bits()
    {
        using var network = NetworkNamespaces.Create("center", "north", "south", "stranger");
        string[] hosts = [.. ((string[])["center", "north", "south"]).SelectMany(name => (string[])["--host", $"{network[name].Address}"])];
        var certificates = await MakeCertificatesAsync(hosts);
        var job = SmallJobs.Medium with { Topology = "mesh" };
        using var run = TrainingRun.StartOn(network["center"], job, "--workers", "0", "--min-workers", "2", "--certs", certificates);
        var coordinator = (await run.Coordinator.LineAsync(WaitingAt())).Groups[1].Value;
        using ProgramRun north = Worker("north"), south = Worker("south");
        await run.TrainsAsync();
        using var stranger = new Stranger(() => network.OpenSocket("stranger"));
        await south.Self.SlowDownAsync(until: stranger.AnnoyAsync(IPEndPoint.Parse(coordinator), 2));
        await run.Coordinator.EndsWithAsync(0);
        foreach (var worker in new[] { north, south }) await worker.EndsWithAsync(0);
        SameBits.Require(job, run);

        ProgramRun Worker(string machine) => ProgramRun.Start(network[machine].Command, BuiltFiles.Worker,
            ["--coordinator", coordinator, "--device", "cpu", "--name", machine, "--certs", certificates], ("TMPDIR", run.Temporary));
    }

    [Theory]
    [InlineData("--certs no/such/folder", "tls.crt and tls.key, which the coordinator's 'certs init DIR' makes")]
    [InlineData("--certs CERTS --host 192.0.2.1",
        "does not have the name 192.0.2.1 that others would connect to, but localhost, 127.0.0.1. ")]
    [InlineData("--certs CERTS --token-file TOKEN", "give one of the two")]
    [InlineData("--token-file no/such/token", "/no/such/token' does not exist. --token-file names a file with the join token of a run")]
    [InlineData("--token-file OPEN", "open.token' has the mode 0644, and holds a secret: allow its owner alone (chmod 600 ")]
    [InlineData("--insecure", "--insecure was removed: every process must prove that it may join. ")]
    public async Task Invalid_protection_is_refused_in_one_line_and_leaves_nothing(string options, string expected)
    {
        var certificates = await MakeCertificatesAsync();
        JoinTokenFile.Write(_folder["good.token"], JoinToken.Create());
        JoinTokenFile.Write(_folder["open.token"], JoinToken.Create());
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_folder["open.token"], (UnixFileMode)Convert.ToInt32("0644", 8));
        string[] arguments = [.. options.Split(' ').Select(word => word switch
        {
            "CERTS" => certificates,
            "TOKEN" => _folder["good.token"],
            "OPEN" => _folder["open.token"],
            _ => word,
        })];
        using var train = ProgramRun.Start(BuiltFiles.Coordinator, ["train", "--run", _folder["run"], .. arguments]);
        using var worker = ProgramRun.Start(BuiltFiles.Worker, ["--coordinator", "127.0.0.1:1", .. arguments]);
        foreach (var program in new[] { train, worker })
        {
            await program.EndsWithAsync(2);
            Assert.Contains(expected, Assert.Single(program.Errors), StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(_folder["run"]));
    }

    [Fact]
    public async Task Certificates_are_made_once_and_shown()
    {
        var certificates = await MakeCertificatesAsync(
            "--host", "trainer.example", "--host", "*.workers.mine.svc.cluster.local", "--days", "30");
        using var again = ProgramRun.Start(BuiltFiles.Coordinator, ["certs", "init", certificates]);
        await again.EndsWithAsync(2);
        Assert.EndsWith("tls.key' exists; nothing is overwritten. Name another folder", Assert.Single(again.Errors),
            StringComparison.Ordinal);
        using var show = ProgramRun.Start(BuiltFiles.Coordinator, ["certs", "show", certificates]);
        await show.EndsWithAsync(0);
        Assert.Equal(2, show.Output.Count);
        Assert.Matches(@"^ca\.crt: CN=Distributed cluster [0-9a-f]{8}, valid until \d{4}-\d\d-\d\d ", show.Output[0]);
        Assert.EndsWith("Z, for localhost, trainer.example, *.workers.mine.svc.cluster.local, 127.0.0.1", show.Output[1],
            StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(certificates, "tls.key")));
        Assert.Equal(3, Directory.EnumerateFileSystemEntries(certificates).Count());
    }

    private Task<string> MakeCertificatesAsync(params string[] options) => Certificates.MakeAsync(_folder, options);

    private static async Task AnnoyAsync(Stranger stranger, TrainingRun run, IPAddress host)
    {
        var page = Page().Match((await run.Coordinator.LineAsync(Page())).Value).Groups[1].Value;
        using var state = JsonDocument.Parse(await File.ReadAllTextAsync(run["coordinator.json"]));
        await Task.WhenAll(((string[])["port", "link_port"])
            .Select(name => stranger.AnnoyAsync(new(host, state.RootElement.GetProperty(name).GetInt32()), 2)));
        using var client = new HttpClient { Timeout = ProgramRun.Timeout };
        var metrics = await client.GetStringAsync($"{page}metrics");
        // With certificates, Akka closes other connections of the control plane before this project's code sees them.
        (string, string)[] refused = [("control", "untrusted"), ("links", "garbage"), ("links", "anonymous"), ("links", "untrusted")];
        foreach (var (plane, reason) in refused)
            Assert.Matches($@"(?m)^distributed_refused_connections_total\{{plane=""{plane}"",reason=""{reason}""\}} [1-9]", metrics);
    }

    private static Socket NewSocket() => new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    [GeneratedRegex(@"^Waiting for 2 worker\(s\): .* --coordinator (\S+) --certs DIR$")]
    private static partial Regex WaitingAt();

    [GeneratedRegex(@"(?i)\bmetrics at (http://\S+/)metrics")]
    private static partial Regex Page();
}
