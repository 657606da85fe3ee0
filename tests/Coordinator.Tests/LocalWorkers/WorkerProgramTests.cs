using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Tests.LocalWorkers;

public sealed class WorkerProgramTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public WorkerProgramTests() => Directory.CreateDirectory(_folder["coordinator"]);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_users_choice_precedes_the_published_and_the_built_worker()
    {
        var (built, chosen) = (Made("bin/built.dll"), Made("chosen.dll"));
        Assert.Equal(built, WorkerProgram.Find(null, _folder["coordinator"], built));
        var published = Made("worker/Distributed.Worker.dll");
        Assert.Equal(published, WorkerProgram.Find("", _folder["coordinator"], built));
        var together = Made("coordinator/Distributed.Worker.dll");
        Assert.Equal(together, WorkerProgram.Find(null, _folder["coordinator"], built));
        Assert.Equal(chosen, WorkerProgram.Find(chosen, _folder["coordinator"], built));
    }

    [Fact]
    public void A_choice_that_does_not_exist_is_refused() =>
        Assert.Contains(
            $"{WorkerProgram.Variable} names '/no/such.dll'",
            Assert.Throws<FileNotFoundException>(
                () => WorkerProgram.Find("/no/such.dll", _folder["coordinator"], Made("built.dll"))).Message);

    [Fact]
    public void Without_a_worker_the_error_lists_the_places_and_the_remedy()
    {
        var message = Assert.Throws<FileNotFoundException>(() => WorkerProgram.Find(null, _folder["coordinator"], "/no/such.dll")).Message;
        string[] parts = [_folder["worker/Distributed.Worker.dll"], "/no/such.dll", WorkerProgram.Variable, "dotnet build Worker"];
        foreach (var part in parts)
            Assert.Contains(part, message);
    }

    [Fact]
    public void The_command_runs_the_worker_that_was_built_with_the_coordinator()
    {
        var command = WorkerProgram.Command("worker-1", "localhost:5000", "cpu", "/data sets");
        Assert.True(File.Exists(command.Program));
        Assert.True(File.Exists(command.Arguments[0]));
        Assert.Equal(
            ["--coordinator", "localhost:5000", "--device", "cpu", "--name", "worker-1", "--with-parent", "--data-dir", "/data sets"],
            command.Arguments[1..]);
        Assert.Equal(command.Arguments[..^2], WorkerProgram.Command("worker-1", "localhost:5000", "cpu", null).Arguments);
    }

    [Fact]
    public void A_worker_published_with_the_runtime_is_its_own_program()
    {
        var worker = Made("worker/Distributed.Worker.dll");
        Assert.Equal([worker], WorkerProgram.StartOf(worker).FirstArguments);
        Made("worker/System.Private.CoreLib.dll");
        var (program, first) = WorkerProgram.StartOf(worker);
        Assert.Empty(first);
        Assert.Equal(_folder["worker/Distributed.Worker"], OperatingSystem.IsWindows() ? Path.ChangeExtension(program, null) : program);
    }

    private string Made(string name)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        File.WriteAllText(_folder[name], "");
        return _folder[name];
    }
}
