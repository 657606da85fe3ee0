using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

public sealed class DurableTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_replaces_an_older_one()
    {
        File.WriteAllText(_folder["old"], "old");
        File.WriteAllText(_folder["new"], "new");
        Durable.MoveFile(_folder["new"], _folder["old"]);
        Assert.Equal("new", File.ReadAllText(_folder["old"]));
        Assert.False(File.Exists(_folder["new"]));
    }

    [Fact]
    public void A_folder_keeps_its_files()
    {
        Directory.CreateDirectory(_folder["partial"]);
        File.WriteAllText(Path.Combine(_folder["partial"], "x"), "x");
        Durable.MoveFolder(_folder["partial"], _folder["final"]);
        Assert.Equal("x", File.ReadAllText(Path.Combine(_folder["final"], "x")));
        Assert.Throws<IOException>(() => Durable.MoveFolder(_folder["final"], _folder.Path));
    }

    [Fact]
    public void A_folder_that_does_not_exist_cannot_be_flushed()
    {
        if (OperatingSystem.IsLinux()) Assert.Throws<IOException>(() => Durable.FlushFolder(_folder["missing"]));
    }
}
