using Distributed.Coordinator.Runs;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Security;

namespace Distributed.Coordinator.Tests.Runs;

/// <summary>The protection of a resumed run whose command line names none.</summary>
public sealed class RunSecurityTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly RunFolder _folder;

    public RunSecurityTests() => _folder = RunFolder.Take(_temporary["run"]);

    public void Dispose()
    {
        _folder.Dispose();
        _temporary.Dispose();
    }

    [Fact]
    public void A_run_continues_with_the_token_that_its_workers_hold()
    {
        using var begun = RunSecurity.Begin(_folder);
        using var resumed = RunSecurity.Resume(_folder, Begun(), new());
        Assert.Equal(begun.Token!.ToText(), resumed.Token!.ToText());
        Assert.Equal(_folder.TokenFile, resumed.Arguments.TokenFile);
    }

    [Fact]
    public void A_local_run_of_a_version_without_tokens_gets_a_token()
    {
        using var resumed = RunSecurity.Resume(_folder, Begun(version: 7), new());
        Assert.Equal(JoinTokenFile.Read(_folder.TokenFile).ToText(), resumed.Token!.ToText());
    }

    [Fact]
    public void A_run_with_remote_workers_of_a_version_without_tokens_is_refused_with_both_ways_to_protect_it()
    {
        var error = Assert.Throws<JoinTokenException>(() => RunSecurity.Resume(_folder, Begun(version: 7, isOpen: true), new()));
        Assert.Equal("the run was begun by a version without join tokens: "
            + "give --certs DIR if it has certificates, or else --token-file FILE, "
            + "which 'token init FILE' makes, to this coordinator and to its workers", error.Message);
        Assert.False(File.Exists(_folder.TokenFile));
    }

    [Fact]
    public void A_run_with_certificates_does_not_fall_back_to_a_token() => Assert.Contains(
        "was begun with --certs DIR: give it again", Assert.Throws<JoinTokenException>(() => RunSecurity.Resume(_folder, Begun(),
            new())).Message, StringComparison.Ordinal);

    private RunState Begun(int version = MessageCodec.Version, bool isOpen = false)
    {
        new RunState
        {
            Version = version,
            JobName = "job",
            Host = "127.0.0.1",
            Port = 1,
            LinkPort = 2,
            MetricsPort = 3,
            Token = [1, 2, 3],
            IsOpen = isOpen,
            MinWorkers = 1,
        }.Save(_folder.StateFile);
        return RunState.Load(_folder.StateFile);
    }
}
