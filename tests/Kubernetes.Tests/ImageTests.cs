using System.Globalization;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>The images fit the pods. <see cref="DeploymentTests"/> runs their contents.</summary>
public sealed class ImageTests
{
    [Theory]
    [InlineData("Coordinator", "coordinator")]
    [InlineData("Worker", "worker")]
    public async Task The_image_has_the_user_ports_and_folders_of_the_pod(string program, string name)
    {
        var manifests = await Manifests.OfAsync("cpu");
        using var pod = new Pod(manifests, manifests.One<V1StatefulSet>(name));
        var image = Dockerfile.Of(program);
        Assert.Equal($"{pod.Spec.SecurityContext.RunAsUser}:{pod.Spec.SecurityContext.RunAsGroup}", image.Value("USER"));
        Assert.Equal(pod.Container.Ports.Select(port => port.ContainerPort).Order(),
            image.Value("EXPOSE").Split(' ').Select(port => int.Parse(port, CultureInfo.InvariantCulture)).Order());
        string[] writable = [.. pod.Container.VolumeMounts.Where(mount => mount.ReadOnlyProperty != true).Select(mount => mount.MountPath)];
        Assert.Equal(writable.Order(), image.List("VOLUME").Order());
        Assert.Null(pod.Container.Command);
        Assert.Equal($"distributed-{name}", pod.Container.Image.Split('/')[^1].Split(':')[0]);
    }

    [Theory]
    [InlineData("Coordinator")]
    [InlineData("Worker")]
    public void Every_copied_file_exists_and_is_not_ignored(string program)
    {
        string[] allowed =
            [.. Repository.Read(".dockerignore").Split('\n').Where(line => line.StartsWith('!')).Select(line => line[1..].TrimEnd('/'))];
        var copied = Dockerfile.Of(program).Copied.SelectMany(copy => copy.Sources).ToList();
        Assert.NotEmpty(copied);
        Assert.All(copied, path =>
        {
            Assert.True(Path.Exists(Repository.At(path)), path);
            Assert.Contains(path.TrimEnd('/'), allowed);
        });
    }

    [Theory]
    [InlineData("Coordinator", 40, "*torch*", "Distributed.Worker*")]
    [InlineData("Worker", 700, "libtorch_python.so", "*cuda*")]
    public async Task Only_files_needed_at_run_time_are_published(string program, int megabytes, params string[] absent)
    {
        var folder = new DirectoryInfo((await Image.OfAsync(program)).Folder);
        Assert.All([.. absent, "*.pdb", "*.xml"], pattern => Assert.Empty(folder.EnumerateFiles(pattern, SearchOption.AllDirectories)));
        Assert.InRange(folder.EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length) >> 20, 1, megabytes);
    }
}
