using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Tests.Storage;

public sealed class AtomicFileTests
{
    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.Write(folder["x"], stream => stream.WriteByte(1));
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(folder["x"], stream =>
        {
            stream.WriteByte(2);
            throw new InvalidOperationException();
        }));
        Assert.Equal([1], File.ReadAllBytes(folder["x"]));
        Assert.Equal([folder["x"]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void After_any_failure_the_file_is_complete_and_no_older_than_the_last_successful_write() => Gen.Int.Sample(seed =>
    {
        var random = new Random(seed);
        var disk = new SimulatedDisk(random);
        var (written, tried) = (0, 0);
        for (var i = 0; i < 30; i++)
        {
            disk.IsBroken = random.Next(5) == 0;
            disk.Capacity = random.Next(4) == 0 ? disk.Used + random.Next(300) : null;
            try
            {
                tried++;
                AtomicFile.Write(disk, "/x", stream => stream.Write(Of(tried)));
                written = tried;
            }
            catch (IOException)
            {
            }
            if (random.Next(4) == 0)
            {
                disk.CutPower();
                if (written == 0 && !disk.FileExists("/x")) continue;
            }
            if (disk.FileExists("/x"))
            {
                using var file = disk.OpenRead("/x");
                using var copy = new MemoryStream();
                file.CopyTo(copy);
                var bytes = copy.ToArray();
                Assert.InRange(bytes[0], written, tried);
                Assert.Equal(Of(bytes[0]), bytes);
            }
            else Assert.Equal(0, written);
        }
    }, iter: 1000);

    private static byte[] Of(int number) => [.. Enumerable.Repeat((byte)number, 100 + number)];
}
